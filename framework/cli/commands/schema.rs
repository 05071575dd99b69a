//! `balpoe schema`: the JSON schema of experiment files.

use std::process::ExitCode;

use balpoe_core::experiment;

use crate::terminal;

pub(super) fn run() -> ExitCode {
    terminal::print(&format!("{:#}\n", experiment::schema()));
    ExitCode::SUCCESS
}
