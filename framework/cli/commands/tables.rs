//! `balpoe table`: the tables of an experiment from what the store has.

use std::process::ExitCode;

use balpoe_core::config::Sources;
use balpoe_core::experiment::Experiment;
use balpoe_lab::{Store, collect, summarise, table};

use crate::arguments::TableArguments;
use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(arguments: &TableArguments) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let file = &arguments.experiment.file;
    let mut experiment = Experiment::read(file, &arguments.experiment.overrides(), &mut sources)
        .map_err(|error| Failure::with(error, &sources))?;
    let store = Store::at(&arguments.store.root);
    let outcomes = collect(&mut experiment, &arguments.data.root, &store)
        .map_err(|error| Failure::with(error, &sources))?;
    let tables = summarise(&experiment, &outcomes)?.tables();
    terminal::print(&table::render(&tables, arguments.format));
    Ok(ExitCode::SUCCESS)
}
