//! `balpoe check`: validate experiment files without running them.

use std::path::PathBuf;
use std::process::ExitCode;

use balpoe_core::config::Sources;
use balpoe_core::experiment::{Arm, Experiment};
use balpoe_lab::{FailureClass, LabError, deciding_metric, published_rows};

use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(files: &[PathBuf]) -> ExitCode {
    let mut wrong = 0;
    for file in files {
        let mut sources = Sources::default();
        let read = Experiment::read(file, &[], &mut sources);
        let checked = read.map_err(LabError::from).and_then(|experiment| {
            experiment.all_arms().try_for_each(Arm::rehearse)?;
            for sweep in &experiment.sweeps {
                deciding_metric(sweep)?;
            }
            published_rows(&experiment)?;
            Ok(experiment)
        });
        match checked {
            Ok(experiment) => {
                let arms = experiment.arms.len();
                let trials: usize = experiment.sweeps.iter().map(|s| s.trials.len() * s.seeds.len()).sum();
                let cells = arms * experiment.seeds.len();
                let trials = if trials == 0 { String::new() } else { format!("{trials} trials, ") };
                terminal::print(&format!("{}: {arms} arms, {trials}{cells} cells\n", file.display()));
            }
            Err(error) => {
                wrong += 1;
                terminal::tell(&Failure::with(error, &sources).report());
            }
        }
    }
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(FailureClass::Usage as u8) }
}
