//! From what was asked for to what is used.

use super::{CheckFailure, DeviceChoice};
use crate::cuda::Cuda;
use thiserror::Error;

/// Devices that an experiment will compute on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The processor, and if the user left the choice to us, why.
    Cpu {
        /// A fragment that fits behind "device: cpu, because".
        because: Option<String>,
    },
    /// GPUs, which passed the self-check.
    Cuda {
        /// Their numbers, ascending.
        ordinals: Vec<usize>,
    },
}

/// Why the device that was asked for cannot be used.
#[derive(Clone, Debug, Error, PartialEq)]
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
    /// The self-check failed.
    #[error("cuda:{wanted} {failure}; `--device cpu` trains on the processor")]
    Check {
        /// The GPU's number.
        wanted: usize,
        /// What was found.
        failure: CheckFailure,
    },
    /// Each GPU by itself passed the self-check, and together they did not.
    #[error("{wanted} as one group {failure}; `--replicas 1` trains on each by itself")]
    GroupCheck {
        /// The group.
        wanted: DeviceChoice,
        /// What was found.
        failure: CheckFailure,
    },
}

fn devices(count: usize) -> String {
    match count {
        1 => "one GPU, cuda:0".into(),
        n => format!("{n} GPUs, cuda:0 to cuda:{}", n - 1),
    }
}

/// Chooses devices: `auto` takes the first GPU that passes `check`, or falls back to the processor and says why; what
/// `cuda` names must be there and pass, one by one and, where several `replicas` share every batch, as the groups that they
/// will work in. `check` is [`self_check`](super::self_check) with the experiment's precision.
///
/// # Errors
/// If GPUs were asked for and cannot be used.
pub fn select(
    choice: &DeviceChoice,
    replicas: usize,
    machine: &Cuda,
    mut check: impl FnMut(&[usize]) -> Result<(), CheckFailure>,
) -> Result<Selection, DeviceError> {
    let count = machine.gpus.as_ref().map_or(0, Vec::len);
    match (choice, machine.obstacle()) {
        (DeviceChoice::Cpu, _) => Ok(Selection::Cpu { because: None }),
        (DeviceChoice::Auto, Some(reason)) => Ok(Selection::Cpu { because: Some(reason) }),
        (DeviceChoice::Auto, None) => {
            let mut because = None;
            for ordinal in 0..count {
                match check(&[ordinal]) {
                    Ok(()) => return Ok(Selection::Cuda { ordinals: vec![ordinal] }),
                    Err(failure) => _ = because.get_or_insert_with(|| format!("cuda:{ordinal} {failure}")),
                }
            }
            Ok(Selection::Cpu { because })
        }
        (DeviceChoice::Cuda(_), Some(reason)) => Err(DeviceError::NoCuda { wanted: choice.clone(), reason }),
        (DeviceChoice::Cuda(ordinals), None) => {
            if let Some(&wanted) = ordinals.iter().find(|&&ordinal| ordinal >= count) {
                return Err(DeviceError::NoSuchGpu { wanted, count });
            }
            for &wanted in ordinals {
                check(&[wanted]).map_err(|failure| DeviceError::Check { wanted, failure })?;
            }
            for group in ordinals.chunks_exact(replicas.max(1)).filter(|group| group.len() > 1) {
                let wanted = DeviceChoice::Cuda(group.to_vec());
                check(group).map_err(|failure| DeviceError::GroupCheck { wanted, failure })?;
            }
            Ok(Selection::Cuda { ordinals: ordinals.clone() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::{Fault, GpuProperties, Library, LibraryKind};

    fn machine(found: &[LibraryKind], gpus: Result<usize, &str>) -> Cuda {
        let library = |kind| {
            let path = found.contains(&kind).then(|| format!("/usr/lib/{kind}").into());
            Library { kind, path, lacks: None }
        };
        let gpu = |ordinal| {
            let name = "NVIDIA H200".into();
            GpuProperties { ordinal, name, capability: (9, 0), memory: 150_000_000_000 }
        };
        Cuda {
            libraries: LibraryKind::ALL.map(library).to_vec(),
            gpus: gpus.map(|n| (0..n).map(gpu).collect()).map_err(ToOwned::to_owned),
        }
    }

    /// What a user reads, for each machine and choice.
    fn said(machine: &Cuda, choice: &str, check: Check) -> String {
        match select(&choice.parse().unwrap(), 1, machine, check) {
            Ok(Selection::Cpu { because: None }) => "cpu".into(),
            Ok(Selection::Cpu { because: Some(reason) }) => format!("device: cpu, because {reason}"),
            Ok(Selection::Cuda { ordinals }) => DeviceChoice::Cuda(ordinals).to_string(),
            Err(error) => error.to_string(),
        }
    }

    type Check = fn(&[usize]) -> Result<(), CheckFailure>;

    const PASSES: Check = |_| Ok(());
    const FIRST_DISAGREES: Check = |ordinals| match ordinals {
        [0] => Err(CheckFailure::Disagreement {
            what: "the gradient of conv1.weight in bf16".into(),
            found: 0.731,
            bound: 0.05,
        }),
        _ => Ok(()),
    };
    const FULL: Check = |ordinals| {
        let device = format!("cuda:{} (NVIDIA H200)", ordinals[0]);
        Err(CheckFailure::Fault(Fault::Memory { device, wanted: 512 << 20, free: 100 << 20 }))
    };

    #[test]
    fn messages() {
        use LibraryKind::{CublasLt, Cudnn, Driver, Nvrtc};
        let all = LibraryKind::ALL;
        let mut old = machine(&all, Ok(1));
        old.libraries[3].lacks = Some("cudnnGetConvolutionForwardAlgorithm_v7");
        let unsupported = "system has unsupported display driver / cuda driver combination";
        let machines = [
            ("no driver", machine(&[], Ok(0)), PASSES),
            ("a driver that fails", machine(&all, Err(unsupported)), PASSES),
            ("a driver and no GPU", machine(&all, Ok(0)), PASSES),
            ("no cuDNN", machine(&[Driver, Nvrtc, CublasLt], Ok(1)), PASSES),
            ("only the driver", machine(&[Driver], Ok(1)), PASSES),
            ("a cuDNN that lacks a function", old, PASSES),
            ("one GPU, no NCCL", machine(&[Driver, Nvrtc, CublasLt, Cudnn], Ok(1)), PASSES),
            ("three GPUs", machine(&all, Ok(3)), PASSES),
            ("three GPUs, the first computes something else", machine(&all, Ok(3)), FIRST_DISAGREES),
            ("one GPU that computes something else", machine(&all, Ok(1)), FIRST_DISAGREES),
            ("one GPU that is full", machine(&all, Ok(1)), FULL),
        ];
        let mut text = String::new();
        for (name, machine, check) in &machines {
            text += &format!("{name}\n");
            for choice in ["auto", "cpu", "cuda", "cuda:1-2"] {
                text += &format!("  {choice:9} {}\n", said(machine, choice, *check));
            }
        }
        insta::assert_snapshot!("device_messages", text);
    }
}
