//! `balpoe compare`: one arm against the others.

use std::process::ExitCode;

use balpoe_core::config::Sources;
use balpoe_core::experiment::Experiment;
use balpoe_lab::comparison::{Comparison, image_outcomes};
use balpoe_lab::{Store, collect, summarise, table};
use balpoe_stats::statistics::Level;

use crate::arguments::CompareArguments;
use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(arguments: &CompareArguments) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let file = &arguments.experiment.file;
    let experiment = Experiment::read(file, &arguments.experiment.overrides(), &mut sources)
        .map_err(|error| Failure::with(error, &sources))?;
    let store = Store::at(&arguments.store.root);
    let data_root = &arguments.data.root;
    let outcomes = collect(&experiment, data_root, &store).map_err(|error| Failure::with(error, &sources))?;
    let results = summarise(&experiment, &outcomes)?;
    let images = if arguments.no_images {
        Vec::new()
    } else {
        image_outcomes(&experiment, data_root, &store).map_err(|error| Failure::with(error, &sources))?
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
