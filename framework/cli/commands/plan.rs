//! `balpoe plan`: an experiment as it resolves.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use balpoe_core::components::Place;
use balpoe_core::config::Sources;
use balpoe_core::experiment::{Experiment, Sweep};
use balpoe_engine::DeviceChoice;
use balpoe_lab::{Estimate, LabError, PreparedArm, Resources, Store, gpu_table};

use super::experiment::available_threads;
use crate::arguments::PlanArguments;
use crate::diagnostics::Failure;
use crate::terminal;

/// Numbers of devices that are planned for.
const DEVICES: [usize; 4] = [1, 2, 4, 8];

pub(super) fn run(arguments: &PlanArguments) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let file = &arguments.experiment.file;
    let mut experiment = Experiment::read(file, &arguments.experiment.overrides(), &mut sources)
        .map_err(|error| Failure::with(error, &sources))?;
    let mut text = format!("# {}, seeds {:?}\n", experiment.name, experiment.seeds);
    let threads = arguments.threads.unwrap_or_else(available_threads).max(1);
    let Experiment { seeds, arms, sweeps, .. } = &mut experiment;
    for (position, arm) in arms.iter_mut().enumerate() {
        let _ = write!(text, "\n# arm {}\n", arm.name);
        for section in arm.resolved(&sources) {
            let _ = writeln!(text, "\n{}", section.header);
            let lines: Vec<String> =
                section.settings.iter().map(|s| format!("{} = {}", s.key, s.value)).collect();
            let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0).min(60);
            for (line, setting) in lines.iter().zip(&section.settings) {
                let _ = writeln!(text, "{line:width$}  # {}", setting.origin);
            }
        }
        let store = Store::at(&arguments.store.root);
        let outline = match PreparedArm::for_results(arm, seeds, &arguments.data.root, &store) {
            Ok(prepared) => {
                let net = &prepared.network.net;
                let _ = writeln!(
                    text,
                    "\n# network: {} parameters, {:.4} GMAC an image, {} experts",
                    net.parameter_count(),
                    net.multiply_adds() as f64 / 1e9,
                    prepared.network.experts
                );
                match sweeps.iter().find(|sweep| sweep.arm == position) {
                    None => text += &cells(&prepared, seeds, "cell", &store)?,
                    Some(sweep) => {
                        text += &trials(sweep, &arguments.data.root, &store)?;
                        let _ = writeln!(text, "# then the chosen setting with seeds {seeds:?}");
                    }
                }
                Some(prepared.outline())
            }
            Err(error @ LabError::Config(_)) => return Err(Failure::with(error, &sources)),
            Err(error) => {
                let _ = writeln!(text, "\n# network and cells unknown: {error}");
                arm.dataset.component.outline(Place { root: &arguments.data.root })
            }
        };
        if let Some(outline) = outline {
            let estimate = Estimate::new(arm, &outline, Resources::processor(threads), arguments.measure);
            let mut tables = vec![estimate.map(|estimate| estimate.table(&DEVICES))];
            if matches!(arguments.device, DeviceChoice::Cuda(_)) {
                tables.push(gpu_table(arm, &outline, &DEVICES));
            }
            for table in tables {
                let table = table.unwrap_or_else(|error| format!("cost unknown: {error}\n"));
                for line in table.lines() {
                    let _ = writeln!(text, "# {line}");
                }
            }
        }
    }
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}

/// The cells of an arm with their state, a line each.
fn cells(prepared: &PreparedArm<'_>, seeds: &[u64], what: &str, store: &Store) -> Result<String, Failure> {
    let mut text = String::new();
    for &seed in seeds {
        let folder = store.cell(&prepared.train_key(seed));
        let state = match folder.manifest()? {
            Some(manifest) if manifest.finished.is_some() => "done",
            Some(_) => "begun",
            None => "to do",
        };
        let _ = writeln!(text, "# {what} seed {seed}: {} ({state})", folder.path().display());
    }
    Ok(text)
}

/// The settings that an arm chooses from.
fn trials(sweep: &Sweep, data_root: &Path, store: &Store) -> Result<String, Failure> {
    let (settings, seeds) = (sweep.trials.len(), &sweep.seeds);
    let mut text = format!(
        "# sweep: {settings} settings with seeds {seeds:?}, chosen by validation {}; shown above with the first\n",
        sweep.metric
    );
    for trial in &sweep.trials {
        let prepared = PreparedArm::new(&trial.arm, data_root)?;
        text += &cells(&prepared, seeds, &format!("trial {}:", trial.label()), store)?;
    }
    Ok(text)
}
