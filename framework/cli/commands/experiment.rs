//! `balpoe experiment`: train, evaluate, summarise.

use std::process::ExitCode;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use balpoe_core::config::Sources;
use balpoe_core::experiment::Experiment;
use balpoe_lab::{
    Event, FailureClass, LogOptions, MlflowServer, RunOptions, Store, miniature, run as run_cells, summarise,
    table, write_tables,
};
use tempfile::TempDir;

use super::devices::ChosenDevices;
use crate::arguments::{LogForm, RunArguments};
use crate::diagnostics::Failure;
use crate::progress::Progress;
use crate::terminal;

/// Set by Ctrl-C and by a polite kill.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

pub(super) fn run(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let file = &arguments.experiment.file;
    let mut experiment = Experiment::read(file, &arguments.experiment.overrides(), &mut sources)
        .map_err(|error| Failure::with(error, &sources))?;
    let devices = ChosenDevices::new(&arguments.device, arguments.replicas as usize, &experiment)?;
    let mut scratch = None;
    if arguments.smoke {
        let notices = miniature(&mut experiment, &arguments.data.root);
        for notice in notices.map_err(|error| Failure::with(error, &sources))? {
            terminal::tell(&format!("{notice}\n"));
        }
        let made = TempDir::new();
        scratch =
            Some(made.map_err(|error| Failure::usage(format!("cannot make a temporary folder: {error}")))?);
    }
    // The temporary folder is removed when it is dropped, whatever comes out.
    let store = Store::open(scratch.as_ref().map_or(arguments.store.root.as_path(), TempDir::path))?;
    let interrupted = ctrlc::set_handler(|| {
        // The second time, do not wait for the step to end.
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            #[expect(clippy::exit, reason = "the user asked twice")]
            std::process::exit(FailureClass::Interrupted as i32);
        }
    });
    if interrupted.is_err() {
        terminal::tell("Ctrl-C cannot be caught here; a stop loses what came after the last checkpoint\n");
    }
    let threads = arguments.threads.unwrap_or_else(available_threads).max(1);
    let logs = LogOptions {
        csv: arguments.log.contains(&LogForm::Csv),
        tensorboard: arguments.log.contains(&LogForm::Tensorboard),
        mlflow: arguments.log.contains(&LogForm::Mlflow).then(|| MlflowServer {
            url: arguments.mlflow.clone(),
            token: std::env::var("MLFLOW_TRACKING_TOKEN").ok(),
        }),
    };
    let resources = devices.resources(threads, arguments.replicas as usize);
    let groups = resources.groups()?;
    let options = RunOptions {
        resources,
        workers: arguments.workers,
        jobs: arguments.jobs.unwrap_or(groups).max(1),
        checkpoint_every: Duration::from_secs_f64(arguments.checkpoint_every.clamp(0.0, 1e9)),
        interrupted: &INTERRUPTED,
        logs: &logs,
    };
    let progress = Progress::new();
    let announced = Once::new();
    let observer = |event: &Event<'_>| {
        // Of interest only where something is trained.
        if let (Event::Training { .. }, Some(device)) = (event, &devices.line) {
            announced.call_once(|| progress.show(&Event::Notice(device.clone())));
        }
        progress.show(event);
    };
    let outcomes = run_cells(&mut experiment, &arguments.data.root, &store, options, &observer);
    progress.clear();
    let outcomes = outcomes.map_err(|error| Failure::with(error, &sources))?;

    let worst = outcomes
        .iter()
        .flat_map(|arm| &arm.cells)
        .filter_map(|cell| cell.result.as_ref().err().map(|error| error.class() as u8))
        .max();
    let tables = summarise(&experiment, &outcomes)?.tables();
    write_tables(&experiment, &outcomes, &tables, &store)?;
    terminal::print(&table::render(&tables, arguments.format));
    Ok(worst.map_or(ExitCode::SUCCESS, ExitCode::from))
}

pub(super) fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
