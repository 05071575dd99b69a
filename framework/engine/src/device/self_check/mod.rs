//! Whether a GPU computes what the processor computes, before anything is trained on it.
//!
//! Most of what runs on a GPU can be tested on machines that have none; the rest can be tested only where it is used. So
//! before a process uses a GPU, a small network takes a few training steps on it and on the processor. It takes a second.

mod bounds;
mod comparison;
mod images;
mod network;
mod numbers;

use super::CheckFailure;
use crate::cuda::{CudaOptions, CudaReplicas, Device, Gpu, Precision};
use comparison::Comparison;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Whether the GPUs, as one group, compute what the processor computes; it is tried once in a process.
///
/// # Errors
/// What they compute instead, or why they compute nothing.
pub fn self_check(ordinals: &[usize], precision: Precision) -> Result<(), CheckFailure> {
    type Known = BTreeMap<(Vec<usize>, Precision), Result<(), CheckFailure>>;
    static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let check = || {
        let gpus = Gpu::open_group(ordinals, precision)?;
        let devices = gpus.into_iter().map(|gpu| Box::new(gpu) as Box<dyn Device>).collect();
        check_devices(devices, precision, 0).map(drop)
    };
    known.entry((ordinals.to_vec(), precision)).or_insert_with(check).clone()
}

/// Whether a group of devices computes what the processor computes: outputs in training and in evaluation, gradients and
/// running statistics of a network with every operation, then three whole training steps on images that the devices keep, of
/// which a GPU records the second and replays the third. Every batch has an odd number of images. `seed` says which numbers are computed with.
///
/// Gives the largest difference, as a share of what rounding explains.
///
/// # Errors
/// What they compute instead, or why they compute nothing.
pub fn check_devices(
    devices: Vec<Box<dyn Device>>,
    precision: Precision,
    seed: u64,
) -> Result<f64, CheckFailure> {
    let Ok(net) = network::network() else { unreachable!("the network of the self-check is well-formed") };
    let options = CudaOptions { max_batch: comparison::BATCH, batch_norm: comparison::GROUP };
    let found = CudaReplicas::new(&net, &options, devices)?;
    let mut comparison = Comparison::new(&net, found, precision, seed)?;
    comparison.passes()?;
    for _ in 0..3 {
        comparison.step()?;
    }
    comparison.evaluation()?;
    Ok(comparison.largest())
}
