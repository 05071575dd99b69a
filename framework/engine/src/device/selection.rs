//! From what was asked for to what is used.

use super::DeviceChoice;
use crate::cuda::Cuda;
use thiserror::Error;

/// A device that an experiment will compute on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The processor, and if the user left the choice to us, why.
    Cpu {
        /// A fragment that fits behind "device: cpu, because".
        because: Option<String>,
    },
}

/// Why the device that was asked for cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceError {
    /// No GPU can be used on this machine.
    #[error("cannot use `{wanted}`: {reason}; `--device cpu` trains on the processor")]
    NoCuda {
        /// What was asked for.
        wanted: DeviceChoice,
        /// What stands in the way.
        reason: String,
    },
    /// There are GPUs, but not this one.
    #[error("cannot use `cuda:{wanted}`: this machine has {}", devices(*.count))]
    NoSuchGpu {
        /// Its number.
        wanted: usize,
        /// How many there are.
        count: usize,
    },
    /// GPUs are there, and this version cannot compute on them.
    #[error("cannot use `{wanted}`: this version computes on the processor only; run with `--device cpu`")]
    NoExecutor {
        /// What was asked for.
        wanted: DeviceChoice,
    },
}

fn devices(count: usize) -> String {
    match count {
        1 => "one GPU, cuda:0".into(),
        n => format!("{n} GPUs, cuda:0 to cuda:{}", n - 1),
    }
}

/// Chooses the device: `auto` falls back to the processor and says why, `cuda` is an error where it cannot be had.
///
/// # Errors
/// If GPUs were asked for and cannot be used.
pub fn select(choice: &DeviceChoice, machine: &Cuda) -> Result<Selection, DeviceError> {
    match (choice, machine.obstacle()) {
        (DeviceChoice::Cpu, _) => Ok(Selection::Cpu { because: None }),
        (DeviceChoice::Auto, Some(reason)) => Ok(Selection::Cpu { because: Some(reason) }),
        (DeviceChoice::Auto, None) => {
            Ok(Selection::Cpu { because: Some("this version computes on the processor only".into()) })
        }
        (DeviceChoice::Cuda(_), Some(reason)) => Err(DeviceError::NoCuda { wanted: choice.clone(), reason }),
        (DeviceChoice::Cuda(ordinals), None) => {
            let count = machine.gpus.as_ref().map_or(0, Vec::len);
            match ordinals.iter().find(|&&ordinal| ordinal >= count) {
                Some(&wanted) => Err(DeviceError::NoSuchGpu { wanted, count }),
                None => Err(DeviceError::NoExecutor { wanted: choice.clone() }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::{Gpu, Library, LibraryKind};

    fn machine(found: &[LibraryKind], gpus: Result<usize, &str>) -> Cuda {
        let library = |kind| {
            let path = found.contains(&kind).then(|| format!("/usr/lib/{kind}").into());
            Library { kind, path }
        };
        let gpu = |ordinal| {
            let name = "NVIDIA H200".into();
            Gpu { ordinal, name, capability: (9, 0), memory: 150_000_000_000 }
        };
        Cuda {
            libraries: LibraryKind::ALL.map(library).to_vec(),
            gpus: gpus.map(|n| (0..n).map(gpu).collect()).map_err(ToOwned::to_owned),
        }
    }

    /// What a user reads, for each machine and choice.
    fn said(machine: &Cuda, choice: &str) -> String {
        match select(&choice.parse().unwrap(), machine) {
            Ok(Selection::Cpu { because: None }) => "cpu".into(),
            Ok(Selection::Cpu { because: Some(reason) }) => format!("device: cpu, because {reason}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn messages() {
        use LibraryKind::{CublasLt, Cudnn, Driver, Nvrtc};
        let all = LibraryKind::ALL;
        let machines = [
            ("no driver", machine(&[], Ok(0))),
            (
                "a driver that fails",
                machine(&all, Err("system has unsupported display driver / cuda driver combination")),
            ),
            ("a driver and no GPU", machine(&all, Ok(0))),
            ("no cuDNN", machine(&[Driver, Nvrtc, CublasLt], Ok(1))),
            ("only the driver", machine(&[Driver], Ok(1))),
            ("one GPU, no NCCL", machine(&[Driver, Nvrtc, CublasLt, Cudnn], Ok(1))),
            ("two GPUs", machine(&all, Ok(2))),
        ];
        let mut text = String::new();
        for (name, machine) in &machines {
            text += &format!("{name}\n");
            for choice in ["auto", "cpu", "cuda", "cuda:1-2"] {
                text += &format!("  {choice:9} {}\n", said(machine, choice));
            }
        }
        insta::assert_snapshot!("device_messages", text);
    }
}
