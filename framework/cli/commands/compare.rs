//! `balpoe compare`: one arm against the others.

use std::path::Path;
use std::process::ExitCode;

use balpoe_core::config::{ConfigError, Sources};
use balpoe_core::experiment::Experiment;
use balpoe_lab::comparison::{Comparison, image_outcomes};
use balpoe_lab::{ArmOutcome, LabError, Store, collect, stored_experiment, summarise, table};
use balpoe_stats::statistics::Level;

use crate::arguments::CompareArguments;
use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(arguments: &CompareArguments) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let compared = read(arguments, &mut sources);
    let (experiment, outcomes) = compared.map_err(|error| Failure::with(error, &sources))?;
    let results = summarise(&experiment, &outcomes)?;
    let images = if arguments.no_images {
        Vec::new()
    } else {
        image_outcomes(&experiment, &arguments.data.root, &Store::at(&arguments.store.root))
            .map_err(|error| Failure::with(error, &sources))?
    };
    let comparison = Comparison {
        baseline: arguments.baseline.clone(),
        metrics: arguments.metrics.clone(),
        distribution: arguments.distribution.clone(),
        level: Level::P95,
    };
    let tables = comparison.tables(&results, &images).map_err(|error| Failure::usage(error.to_string()))?;
    if tables.is_empty() {
        let message = format!(
            "nothing can be compared on `{}`: it takes two arms with finished cells, run by `balpoe experiment`",
            arguments.distribution
        );
        return Err(Failure::usage(message));
    }
    terminal::print(&table::render(&tables, arguments.format));
    Ok(ExitCode::SUCCESS)
}

/// What is compared: an experiment file's arms, or those that finished cells of the store belong to.
fn read(
    arguments: &CompareArguments,
    sources: &mut Sources,
) -> Result<(Experiment, Vec<ArmOutcome>), LabError> {
    let store = Store::at(&arguments.store.root);
    let is_file =
        |target: &String| Path::new(target).extension().is_some_and(|extension| extension == "toml");
    let files = arguments.targets.iter().filter(|target| is_file(target)).count();
    if let ([file], 1) = (&arguments.targets[..], files) {
        let mut experiment = Experiment::read(Path::new(file), &arguments.changes.overrides(), sources)?;
        let outcomes = collect(&mut experiment, &arguments.data.root, &store)?;
        return Ok((experiment, outcomes));
    }
    if files > 0 {
        let message = "expected one experiment file, or runs of the store";
        let help = "the cells of several files are compared by the names of their experiments";
        return Err(ConfigError::new(message).help(help).into());
    }
    let mut stored = stored_experiment(&store, &arguments.targets, &arguments.changes.settings(), sources)?;
    let seeds = &arguments.changes.seeds;
    stored.experiment.seeds.retain(|seed| seeds.is_empty() || seeds.contains(seed));
    let outcomes = collect(&mut stored.experiment, &arguments.data.root, &store)?;
    let outcomes = stored.only_finished(outcomes)?;
    Ok((stored.experiment, outcomes))
}
