//! `balpoe check`: validate experiment files without running them.

use std::path::PathBuf;
use std::process::ExitCode;

use balpoe_core::config::Sources;
use balpoe_core::experiment::{Arm, Experiment};
use balpoe_lab::{FailureClass, published_rows};

use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(files: &[PathBuf]) -> ExitCode {
    let mut wrong = 0;
    for file in files {
        let mut sources = Sources::default();
        let read = Experiment::read(file, &[], &mut sources);
        let rehearsed = read.and_then(|experiment| {
            experiment.arms.iter().try_for_each(Arm::rehearse)?;
            published_rows(&experiment)?;
            Ok(experiment)
        });
        match rehearsed {
            Ok(experiment) => {
                let arms = experiment.arms.len();
                let cells = arms * experiment.seeds.len();
                terminal::print(&format!("{}: {arms} arms, {cells} cells\n", file.display()));
            }
            Err(error) => {
                wrong += 1;
                terminal::tell(&Failure::with(error, &sources).report());
            }
        }
    }
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(FailureClass::Usage as u8) }
}
