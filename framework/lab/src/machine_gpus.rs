//! The GPUs of this machine.

use balpoe_engine::cuda::{Cuda, Device, Fault, Gpu, Precision};
use balpoe_engine::{CheckFailure, self_check};

use crate::resources::Gpus;

/// NVIDIA's GPUs, as the driver counts them.
#[derive(Debug)]
pub struct MachineGpus {
    machine: Cuda,
}

impl MachineGpus {
    /// The GPUs that were found.
    pub fn new(machine: Cuda) -> Self {
        Self { machine }
    }

    /// What was found.
    pub fn machine(&self) -> &Cuda {
        &self.machine
    }

    /// Holds GPUs against the processor.
    ///
    /// # Errors
    /// If one of them fails, or computes something else.
    pub fn check(ordinals: &[usize], precision: Precision) -> Result<(), CheckFailure> {
        self_check(ordinals, precision)
    }
}

impl Gpus for MachineGpus {
    fn name(&self, ordinal: usize) -> String {
        let gpu = self.machine.gpus.iter().flatten().find(|gpu| gpu.ordinal == ordinal);
        gpu.map_or_else(|| format!("cuda:{ordinal}"), |gpu| format!("cuda:{ordinal} ({})", gpu.name))
    }

    fn open(&self, ordinals: &[usize], precision: Precision) -> Result<Vec<Box<dyn Device>>, Fault> {
        let group = Gpu::open_group(ordinals, precision)?;
        Ok(group.into_iter().map(|gpu| Box::new(gpu) as Box<dyn Device>).collect())
    }
}
