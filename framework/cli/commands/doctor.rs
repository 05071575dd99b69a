//! `balpoe doctor`: what this machine offers, and what is missing.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use balpoe_core::components::{DataError, Dataset, Place};
use balpoe_core::registry::ComponentKind as _;
use balpoe_engine::cuda::{Cuda, Precision};
use balpoe_engine::{CheckFailure, InstructionSet, self_check};

use super::experiment::available_threads;
use crate::terminal;

pub(super) fn run(data_root: &Path) -> ExitCode {
    let mut text = String::new();
    let _ = writeln!(text, "program   balpoe {}", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "cpu       {}, {} threads", InstructionSet::detect(), available_threads());
    let check = |ordinal, precision| self_check(&[ordinal], precision);
    describe_cuda(&Cuda::probe(), check, &mut text);
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

/// GPUs, and the libraries that computing on them takes.
fn describe_cuda(
    cuda: &Cuda,
    check: impl Fn(usize, Precision) -> Result<(), CheckFailure>,
    text: &mut String,
) {
    let obstacle = cuda.obstacle();
    let _ = match &obstacle {
        Some(reason) => writeln!(text, "cuda      cannot be used: {reason}"),
        None => writeln!(text, "cuda      can be used where the self-check passes"),
    };
    for gpu in cuda.gpus.iter().flatten() {
        let _ = writeln!(text, "  cuda:{:<7}  {gpu}", gpu.ordinal);
        for precision in Precision::ALL.into_iter().filter(|_| obstacle.is_none()) {
            let _ = match check(gpu.ordinal, precision) {
                Ok(()) => writeln!(text, "    {precision:10}  passes the self-check"),
                Err(failure) => writeln!(text, "    {precision:10}  {failure}"),
            };
        }
    }
    for library in &cuda.libraries {
        let (name, purpose, remedy) = (library.kind.name(), library.kind.purpose(), library.kind.remedy());
        let _ = match (&library.path, library.lacks) {
            (Some(path), None) => writeln!(text, "  {name:12}  {} ({purpose})", path.display()),
            (Some(path), Some(function)) => {
                writeln!(text, "  {name:12}  {} has no {function} ({purpose}); {remedy}", path.display())
            }
            (None, _) => writeln!(text, "  {name:12}  missing ({purpose}); {remedy}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use balpoe_engine::cuda::{GpuProperties, Library, LibraryKind};

    #[test]
    fn what_is_there_and_how_to_get_the_rest() {
        let machine = |found: &[LibraryKind], gpus: usize| {
            let library = |kind: LibraryKind| {
                let path = found.contains(&kind).then(|| format!("/usr/lib/lib{}.so", kind.name()).into());
                Library { kind, path, lacks: None }
            };
            let gpu = |ordinal| {
                let name = "NVIDIA H200".to_owned();
                GpuProperties { ordinal, name, capability: (9, 0), memory: 150_754_820_096 }
            };
            let libraries = LibraryKind::ALL.map(library).to_vec();
            Cuda { libraries, gpus: Ok((0..gpus).map(gpu).collect()) }
        };
        let mut text = String::new();
        let check = |_, precision| match precision {
            Precision::F32 | Precision::Tf32 => Ok(()),
            Precision::Bf16 => {
                Err(CheckFailure::Disagreement { what: "the loss".into(), found: 0.71, bound: 0.3 })
            }
        };
        describe_cuda(&machine(&[], 0), check, &mut text);
        describe_cuda(&machine(&[LibraryKind::Driver, LibraryKind::Nvrtc], 2), check, &mut text);
        describe_cuda(&machine(&LibraryKind::ALL, 1), check, &mut text);
        insta::assert_snapshot!("cuda_in_doctor", text);
    }
}
