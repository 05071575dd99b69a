//! `balpoe doctor`: what this machine offers, and what is missing.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use balpoe_core::components::{DataError, Dataset, Place};
use balpoe_core::registry::ComponentKind as _;
use balpoe_engine::InstructionSet;

use super::experiment::available_threads;
use crate::terminal;

pub(super) fn run(data_root: &Path) -> ExitCode {
    let mut text = String::new();
    let _ = writeln!(text, "program   balpoe {}", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "cpu       {}, {} threads", InstructionSet::detect(), available_threads());
    let _ = writeln!(text, "cuda      not in this version; experiments run on the cpu");
    let _ = writeln!(text, "data      {}", data_root.display());
    let mut datasets = <dyn Dataset>::registrations();
    datasets.sort_by_key(|registration| registration.descriptor.name);
    for registration in datasets {
        let descriptor = &registration.descriptor;
        let state = match registration.build_text(descriptor.example) {
            Ok((dataset, _)) => match dataset.load(Place { root: data_root }) {
                Ok(data) => format!("{} training and {} test images", data.train.len(), data.test.len()),
                Err(
                    error @ (DataError::Missing { .. } | DataError::Size { .. } | DataError::Hash { .. }),
                ) => error.to_string(),
                Err(error) => format!("cannot be used: {error}"),
            },
            Err(error) => format!("cannot be built: {error}"),
        };
        let _ = writeln!(text, "  {:12}  {state}", descriptor.name);
    }
    terminal::print(&text);
    ExitCode::SUCCESS
}
