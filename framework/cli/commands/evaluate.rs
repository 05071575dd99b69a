//! `balpoe evaluate`: saved predictions again, or logits of models that were trained elsewhere.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use balpoe_core::config::{Override, Sources};
use balpoe_core::experiment::PostHoc;
use balpoe_lab::foreign::{ClassCounts, Fitting, Request, Scores, evaluate};
use balpoe_lab::{Store, calibration_tables, collect, stored_experiment, summarise, table};

use super::experiment::available_threads;
use crate::arguments::EvaluateArguments;
use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(arguments: &EvaluateArguments) -> Result<ExitCode, Failure> {
    let is_file = |target: &String| Path::new(target).extension().is_some() && !Path::new(target).is_dir();
    let files = arguments.targets.iter().filter(|target| is_file(target)).count();
    let mut sources = Sources::default();
    let tables = match files {
        0 => runs(arguments, &mut sources),
        n if n == arguments.targets.len() => scores(arguments, &mut sources),
        _ => Err(Failure::usage("expected runs of the store or files, found both")),
    };
    terminal::print(&table::render(&tables?, arguments.format));
    Ok(ExitCode::SUCCESS)
}

/// What is changed, as overrides.
fn overrides(arguments: &EvaluateArguments) -> Vec<Override> {
    let mut all: Vec<Override> = arguments.set.iter().cloned().map(Override::Set).collect();
    if !arguments.distributions.is_empty() {
        all.push(Override::Set(format!("evaluate.distributions={:?}", arguments.distributions)));
    }
    all
}

fn runs(arguments: &EvaluateArguments, sources: &mut Sources) -> Result<Vec<table::Table>, Failure> {
    let foreign = &arguments.foreign;
    let given = [
        ("--labels", foreign.labels.is_some()),
        ("--classes", foreign.classes.is_some()),
        ("--class-counts", foreign.class_counts.is_some()),
        ("--probabilities", foreign.probabilities),
        ("--fit-on", !foreign.fit_on.is_empty()),
        ("--oracle", foreign.oracle),
    ];
    if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
        let message = format!(
            "{option} is for files, and `{}` has no extension of one; runs of the store know these things",
            arguments.targets[0]
        );
        return Err(Failure::usage(message));
    }
    let mut overrides = overrides(arguments);
    overrides.extend(arguments.folds.map(|folds| Override::Set(format!("evaluate.cross_fit={folds}"))));
    let store = Store::at(&arguments.store.root);
    let mut stored = stored_experiment(&store, &arguments.targets, &overrides, sources)
        .map_err(|error| Failure::with(error, sources))?;
    let outcomes = collect(&mut stored.experiment, &arguments.data.root, &store)
        .map_err(|error| Failure::with(error, sources))?;
    let outcomes = stored.only_finished(outcomes)?;
    if let Some(cell) = outcomes.iter().flat_map(|arm| &arm.cells).find(|cell| cell.result.is_err()) {
        let error = cell.result.as_ref().err().map(ToString::to_string).unwrap_or_default();
        terminal::tell(&format!("seed {}: {error}\n", cell.seed));
    }
    let mut tables = summarise(&stored.experiment, &outcomes)?.tables();
    if arguments.metrics == "all" {
        let calibration = calibration_tables(&stored.experiment, &arguments.data.root, &store);
        tables.extend(calibration.map_err(|error| Failure::with(error, sources))?);
    }
    Ok(tables)
}

fn scores(arguments: &EvaluateArguments, sources: &mut Sources) -> Result<Vec<table::Table>, Failure> {
    let foreign = &arguments.foreign;
    let post_hoc =
        PostHoc::read(&overrides(arguments), sources).map_err(|error| Failure::with(error, sources))?;
    let fitting = match arguments.folds.or(post_hoc.evaluate.cross_fit) {
        Some(0 | 1) => return Err(Failure::usage("--folds needs at least two folds")),
        Some(folds) => Fitting::Folds(folds),
        None if foreign.oracle => Fitting::Oracle,
        None if foreign.fit_on.is_empty() => Fitting::Nothing,
        None => {
            Fitting::Asserted(Scores { files: foreign.fit_on.clone(), labels: foreign.fit_labels.clone() })
        }
    };
    let class_counts = foreign.class_counts.clone().map(|text| ClassCounts(text).read()).transpose()?;
    let request = Request {
        name: &foreign.name,
        scores: Scores {
            files: arguments.targets.iter().map(PathBuf::from).collect(),
            labels: foreign.labels.clone(),
        },
        classes: foreign.classes,
        probabilities: foreign.probabilities,
        class_counts,
        post_hoc: &post_hoc,
        fitting,
        all_metrics: arguments.metrics == "all",
        threads: NonZeroUsize::new(foreign.threads.unwrap_or_else(available_threads))
            .unwrap_or(NonZeroUsize::MIN),
    };
    evaluate(&request).map_err(|error| Failure::with(error, sources))
}
