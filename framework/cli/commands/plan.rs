//! `balpoe plan`: an experiment as it resolves.

use std::fmt::Write as _;
use std::process::ExitCode;

use balpoe_core::config::Sources;
use balpoe_core::experiment::Experiment;
use balpoe_lab::{LabError, PreparedArm, Store};

use crate::arguments::PlanArguments;
use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(arguments: &PlanArguments) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let file = &arguments.experiment.file;
    let experiment = Experiment::read(file, &arguments.experiment.overrides(), &mut sources)
        .map_err(|error| Failure::with(error, &sources))?;
    let mut text = format!("# {}, seeds {:?}\n", experiment.name, experiment.seeds);
    for arm in &experiment.arms {
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
        match PreparedArm::for_results(arm, &experiment.seeds, &arguments.data.root, &store) {
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
            }
            Err(error @ LabError::Config(_)) => return Err(Failure::with(error, &sources)),
            Err(error) => {
                let _ = writeln!(text, "\n# network and cells unknown: {error}");
            }
        }
    }
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}
