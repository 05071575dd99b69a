//! `balpoe report`: one page with the tables and plots of an experiment from what the store has.

use std::process::ExitCode;

use balpoe_core::config::Sources;
use balpoe_core::experiment::Experiment;
use balpoe_lab::{Store, collect, write_report};

use crate::arguments::ReportArguments;
use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(arguments: &ReportArguments) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let file = &arguments.experiment.file;
    let mut experiment = Experiment::read(file, &arguments.experiment.overrides(), &mut sources)
        .map_err(|error| Failure::with(error, &sources))?;
    let store = Store::at(&arguments.store.root);
    let data_root = &arguments.data.root;
    let outcomes =
        collect(&mut experiment, data_root, &store).map_err(|error| Failure::with(error, &sources))?;
    let path = write_report(&experiment, &outcomes, data_root, &store)?;
    terminal::print(&format!("{}\n", path.display()));
    Ok(ExitCode::SUCCESS)
}
