//! `balpoe plan`: an experiment as it resolves.

use std::fmt::Write as _;
use std::process::ExitCode;

use balpoe_core::components::Place;
use balpoe_core::config::Sources;
use balpoe_core::experiment::Experiment;
use balpoe_lab::{Estimate, LabError, PreparedArm, Store};

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
    for arm in &mut experiment.arms {
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
        let outline = match PreparedArm::for_results(arm, &experiment.seeds, &arguments.data.root, &store) {
            Ok(prepared) => {
                let net = &prepared.network.net;
                let _ = writeln!(
                    text,
                    "\n# network: {} parameters, {:.4} GMAC an image, {} experts",
                    net.parameter_count(),
                    net.multiply_adds() as f64 / 1e9,
                    prepared.network.experts
                );
                for &seed in &experiment.seeds {
                    let key = prepared.train_key(seed);
                    let state = match store.cell(&key).manifest()? {
                        Some(manifest) if manifest.finished.is_some() => "done",
                        Some(_) => "begun",
                        None => "to do",
                    };
                    let _ =
                        writeln!(text, "# cell seed {seed}: {} ({state})", store.cell(&key).path().display());
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
            let estimate = Estimate::new(arm, &outline, threads, arguments.measure);
            let estimate = match estimate {
                Ok(estimate) => estimate.table(&DEVICES),
                Err(error) => format!("cost unknown: {error}\n"),
            };
            for line in estimate.lines() {
                let _ = writeln!(text, "# {line}");
            }
        }
    }
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}
