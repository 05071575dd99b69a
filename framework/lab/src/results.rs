//! From the outcomes of cells to the tables of an experiment, and to the files that keep them.

use std::io;

use balpoe_core::config::{ConfigError, suggestion};
use balpoe_core::experiment::{Arm, Experiment};
use serde_json::json;

use crate::error::LabError;
use crate::files;
use crate::run::ArmOutcome;
use crate::store::Store;
use crate::summary::reference::{Reference, ReferenceError};
use crate::summary::{self, Published, Tuning};
use crate::table::{Format, Table, render};

/// The results of an experiment as its tables need them: figures, published rows, and what a reader must know of both.
///
/// # Errors
/// If a file of published results cannot be read.
pub fn summarise(experiment: &Experiment, outcomes: &[ArmOutcome]) -> Result<summary::Experiment, LabError> {
    let arms = outcomes.iter().map(|outcome| summary::Arm {
        name: outcome.name.clone(),
        cells: outcome
            .cells
            .iter()
            .map(|cell| (cell.seed, cell.result.as_ref().cloned().map_err(ToString::to_string)))
            .collect(),
    });
    let published = published_rows(experiment)?;
    let wrong = |error: &dyn std::fmt::Display| LabError::Reference(error.to_string());
    let mut results = summary::Experiment::new(&experiment.name, arms.collect());
    results = results.compared_with(&experiment.baseline).map_err(|error| wrong(&error))?;
    for row in published {
        results = results.beside(row).map_err(|error| wrong(&error))?;
    }
    results.protocol = protocol(experiment, outcomes);
    results.tuning = tuning(experiment);
    Ok(results)
}

/// The published rows beside an experiment's own results.
///
/// # Errors
/// If a file cannot be read or has no such row, with the place in the experiment that names it.
pub fn published_rows(experiment: &Experiment) -> Result<Vec<Published>, ConfigError> {
    let mut rows = Vec::new();
    for reference in &experiment.references {
        let file = Reference::load(&reference.file).map_err(|error| {
            // The caret is under the path: no need to repeat it.
            let message = match &error {
                ReferenceError::Read { reason, .. } if reason.kind() == io::ErrorKind::NotFound => {
                    "there is no such file of published results".to_owned()
                }
                other => other.to_string(),
            };
            ConfigError::at(reference.file_place.clone(), message)
        })?;
        let row = file.row(&reference.row).map_err(|error| {
            let error = ConfigError::at(reference.row_place.clone(), error.to_string());
            match suggestion(&reference.row, file.rows.iter().map(|row| row.name.as_str())) {
                Some(near) => error.help(format!("did you mean \"{near}\"?")),
                None => error,
            }
        })?;
        rows.push(Published { row: row.clone(), arm: reference.arm.clone() });
    }
    Ok(rows)
}

/// What sweeps have tried.
fn tuning(experiment: &Experiment) -> Vec<Tuning> {
    let of_arm = |arm: &Arm| {
        let tuned = arm.tuned.as_ref()?;
        Some(Tuning { arm: arm.name.clone(), metric: tuned.metric.parse().ok()?, tried: tuned.tried.clone() })
    };
    experiment.arms.iter().filter_map(of_arm).collect()
}

/// What a reader must know to compare the figures with others; arms that share a line share it in print.
fn protocol(experiment: &Experiment, outcomes: &[ArmOutcome]) -> Vec<String> {
    let mut shared: Vec<(String, Vec<String>)> = Vec::new();
    for (arm, outcome) in experiment.arms.iter().zip(outcomes) {
        let p = &outcome.protocol;
        let apart = if p.validation == 0 {
            String::new()
        } else {
            format!(", {} kept apart for validation", p.validation)
        };
        let mut own = vec![
            format!(
                "{}: {} training images of {} classes{apart}; subset SHA-256 {}",
                arm.dataset.name,
                p.images,
                p.classes,
                &p.subset[..p.subset.len().min(16)]
            ),
            match &arm.train.imported {
                None => format!("results are those of the last epoch ({})", arm.train.epochs),
                Some(weights) => {
                    format!("weights trained elsewhere, SHA-256 {}", &weights[..weights.len().min(16)])
                }
            },
            format!("calibration errors over {} bins of equal width, (lo, hi]", arm.evaluate.bins),
        ];
        if p.compact {
            own.push(
                "logits on the test images are kept in 16 bits: none is off by more than a 65,535th of the range of its image's logits, or \
                 0.002"
                    .to_owned(),
            );
        }
        own.extend(
            arm.phases.iter().map(|phase| format!("after epoch {}: {}", phase.after, phase.summary())),
        );
        own.extend(arm.tuned.iter().map(|tuned| tuned.line.clone()));
        for cell in &outcome.cells {
            own.extend(cell.fitted.iter().map(|line| format!("seed {}: {line}", cell.seed)));
        }
        for line in own {
            match shared.iter_mut().find(|(known, _)| *known == line) {
                Some((_, arms)) => arms.push(outcome.name.clone()),
                None => shared.push((line, vec![outcome.name.clone()])),
            }
        }
    }
    let all = outcomes.len();
    shared
        .into_iter()
        .map(|(line, arms)| if arms.len() == all { line } else { format!("{}: {line}", arms.join(", ")) })
        .collect()
}

/// Writes an experiment's tables in every format, and which cells they were made from.
///
/// # Errors
/// If the folder cannot be written.
pub fn write_tables(
    experiment: &Experiment,
    outcomes: &[ArmOutcome],
    tables: &[Table],
    store: &Store,
) -> Result<(), LabError> {
    let folder = store.experiment(&experiment.name);
    files::create_folder(&folder)?;
    for (format, extension) in [
        (Format::Text, "txt"),
        (Format::Markdown, "md"),
        (Format::Latex, "tex"),
        (Format::Csv, "csv"),
        (Format::Json, "json"),
    ] {
        let path = folder.join(format!("tables.{extension}"));
        files::write_atomically(&path, render(tables, format).as_bytes())?;
    }
    let cells: Vec<_> = outcomes
        .iter()
        .flat_map(|arm| {
            arm.cells.iter().map(|cell| json!({ "arm": arm.name, "seed": cell.seed, "cell": cell.folder }))
        })
        .collect();
    let text = format!("{:#}\n", json!({ "experiment": experiment.name, "cells": cells }));
    files::write_atomically(&folder.join("cells.json"), text.as_bytes())
}
