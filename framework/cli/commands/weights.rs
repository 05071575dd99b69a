//! `balpoe weights`: to PyTorch and from there.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use balpoe_core::config::{ConfigError, Override, Sources};
use balpoe_core::experiment::Experiment;
use balpoe_lab::{
    LogOptions, Resources, RunOptions, Store, WeightFile, WeightNames, collect, export_weights,
    import_weights, stored_cell, summarise, table,
};

use super::experiment::available_threads;
use crate::arguments::{ImportArguments, Names, WeightsCommand};
use crate::diagnostics::Failure;
use crate::progress::Progress;
use crate::terminal;

/// Nothing of an import is lost when it is stopped: it is done again from its file.
static NEVER: AtomicBool = AtomicBool::new(false);

pub(super) fn run(command: &WeightsCommand) -> Result<ExitCode, Failure> {
    match command {
        WeightsCommand::Export { source, to, names, store } => export(source, to, *names, &store.root)?,
        WeightsCommand::Import(arguments) => import(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn export(source: &str, to: &Path, names: Names, store: &Path) -> Result<(), Failure> {
    let file = PathBuf::from(source);
    let file = if file.is_file() { file } else { stored_cell(&Store::at(store), source)?.weights() };
    let names = match names {
        Names::Pytorch => WeightNames::PyTorch,
        Names::Plain => WeightNames::Plain,
    };
    export_weights(&file, names, to)?;
    Ok(())
}

fn import(arguments: &ImportArguments) -> Result<(), Failure> {
    let file = WeightFile::read(&arguments.weights)?;
    let mut overrides: Vec<Override> = arguments.set.iter().cloned().map(Override::Set).collect();
    overrides.extend(arguments.seed.map(|seed| Override::Set(format!("seeds=[{seed}]"))));
    overrides.push(Override::Set(format!("train.imported=\"{}\"", file.sha256())));
    let mut sources = Sources::default();
    let mut experiment = Experiment::read(&arguments.experiment, &overrides, &mut sources)
        .map_err(|error| Failure::with(error, &sources))?;
    experiment.seeds.truncate(1);
    if let Some(wanted) = &arguments.arm {
        let known: Vec<String> = experiment.arms.iter().map(|arm| arm.name.clone()).collect();
        experiment.arms.retain(|arm| arm.name == *wanted);
        if experiment.arms.is_empty() {
            let message = format!("the experiment has no arm `{wanted}`");
            return Err(ConfigError::new(message).help(format!("its arms: {}", known.join(", "))).into());
        }
        experiment.baseline.clone_from(wanted);
    }
    let store = Store::open(&arguments.store.root)?;
    let logs = LogOptions::default();
    let options = RunOptions {
        resources: Resources::processor(arguments.threads.unwrap_or_else(available_threads).max(1)),
        workers: 1,
        jobs: 1,
        checkpoint_every: Duration::MAX,
        interrupted: &NEVER,
        logs: &logs,
    };
    let data = &arguments.data.root;
    let progress = Progress::new();
    let imported = import_weights(&experiment, &file, data, &store, options, &|event| progress.show(event));
    progress.clear();
    imported.map_err(|error| Failure::with(error, &sources))?;

    let outcomes = collect(&mut experiment, data, &store).map_err(|error| Failure::with(error, &sources))?;
    for cell in outcomes.iter().flat_map(|arm| &arm.cells) {
        terminal::tell(&format!(
            "cell {}; evaluate it again with `balpoe evaluate {}`\n",
            cell.folder, cell.folder
        ));
    }
    terminal::print(&table::render(&summarise(&experiment, &outcomes)?.tables(), arguments.format));
    Ok(())
}
