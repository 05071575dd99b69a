//! The executor for GPUs, on emulated ones: against the oracle, against the processor, and several devices against one.

#![expect(clippy::print_stdout, reason = "tests say what they skip")]

#[path = "../common/mod.rs"]
mod common;
mod images;
mod oracle;
mod preview;
mod steps;

use balpoe_emulation::EmulatedGpu;
use balpoe_engine::cuda::{Device, Storage};
use balpoe_engine::{BatchNormGroup, CudaOptions, CudaReplicas};
use balpoe_net::{Net, Shape};
use common::resnet;

/// A group of emulated devices; says so where there is none.
fn group(devices: usize, storage: Storage) -> Option<Vec<EmulatedGpu>> {
    let group = EmulatedGpu::group(devices, storage);
    if group.is_none() {
        println!("skipped: there is no C++ compiler (g++)");
    }
    group
}

/// Replicas on a group, with these parameters.
fn replicas(
    net: &Net,
    max_batch: usize,
    batch_norm: BatchNormGroup,
    gpus: &[EmulatedGpu],
    parameters: &[Vec<f32>],
) -> CudaReplicas {
    let devices = gpus.iter().map(|gpu| Box::new(gpu.clone()) as Box<dyn Device>).collect();
    let mut replicas = CudaReplicas::new(net, &CudaOptions { max_batch, batch_norm }, devices).unwrap();
    for (i, values) in parameters.iter().enumerate() {
        replicas.set_parameter(i, values).unwrap();
    }
    replicas
}

/// Two experts on a shared stage.
fn network() -> Net {
    resnet(Shape::new(13, 12, 3), [16, 20, 32], 1, 2, 10).unwrap()
}

/// Everything of one kind.
fn all<T>(len: usize, of: impl Fn(usize) -> T) -> Vec<T> {
    (0..len).map(of).collect()
}
