//! Devices for tests: emulated ones where there is a C++ compiler, and the GPUs of this machine.

use balpoe_emulation::EmulatedGpu;
use balpoe_engine::cuda::{Cuda, Device, Gpu, Precision};

/// Every group of `devices` devices that this machine offers. Emulated devices compute in `f32` under TensorFloat-32.
pub(crate) fn groups(devices: usize, precision: Precision) -> Vec<Vec<Box<dyn Device>>> {
    let mut groups: Vec<Vec<Box<dyn Device>>> = Vec::new();
    match EmulatedGpu::group(devices, precision.storage()) {
        Some(group) => groups.push(group.into_iter().map(|device| Box::new(device) as _).collect()),
        None => println!("skipped in emulation: there is no C++ compiler (g++)"),
    }
    if let Some(group) = gpus(devices, precision) {
        groups.push(group.into_iter().map(|gpu| Box::new(gpu) as _).collect());
    }
    groups
}

/// The first GPUs of this machine as a group, if there are as many.
pub(crate) fn gpus(devices: usize, precision: Precision) -> Option<Vec<Gpu>> {
    let cuda = Cuda::probe();
    let count = if cuda.obstacle().is_none() { cuda.gpus.map_or(0, |gpus| gpus.len()) } else { 0 };
    if count < devices {
        println!("skipped on a GPU: {devices} are wanted, and {count} can be used");
        return None;
    }
    let ordinals: Vec<usize> = (0..devices).collect();
    Some(Gpu::open_group(&ordinals, precision).unwrap())
}
