//! From `--device` to the devices that cells are computed on.

use std::collections::BTreeSet;

use balpoe_core::experiment::Experiment;
use balpoe_engine::cuda::{Cuda, Precision};
use balpoe_engine::{DeviceChoice, Selection, select};
use balpoe_lab::{Devices, Gpus, LabError, MachineGpus, Resources, engine_precision};

use crate::diagnostics::Failure;

/// What a choice comes to on this machine.
#[derive(Debug)]
pub(super) struct ChosenDevices {
    gpus: MachineGpus,
    /// Numbers of GPUs; none for the processor.
    ordinals: Vec<usize>,
    /// A line about the choice, if it was not the user who made it.
    pub(super) line: Option<String>,
}

impl ChosenDevices {
    /// Chooses devices for an experiment: GPUs must compute what the processor computes, in all precisions that it has.
    pub(super) fn new(
        choice: &DeviceChoice,
        replicas: usize,
        experiment: &Experiment,
    ) -> Result<Self, Failure> {
        let gpus = MachineGpus::new(Cuda::probe());
        let precisions: BTreeSet<Precision> =
            experiment.all_arms().map(|arm| engine_precision(arm.train.precision)).collect();
        let check = |ordinals: &[usize]| {
            precisions.iter().try_for_each(|&precision| MachineGpus::check(ordinals, precision))
        };
        let (ordinals, line) = match select(choice, replicas, gpus.machine(), check)
            .map_err(LabError::from)?
        {
            Selection::Cpu { because } => {
                (Vec::new(), because.map(|reason| format!("device: cpu, because {reason}")))
            }
            Selection::Cuda { ordinals } => {
                let names: Vec<String> = ordinals.iter().map(|&ordinal| gpus.name(ordinal)).collect();
                let line = (*choice == DeviceChoice::Auto).then(|| format!("device: {}", names.join(", ")));
                (ordinals, line)
            }
        };
        Ok(Self { gpus, ordinals, line })
    }

    /// How many GPUs there are; none on the processor.
    pub(super) fn gpus(&self) -> usize {
        self.ordinals.len()
    }

    /// The devices with so many threads and replicas.
    pub(super) fn resources(&self, threads: usize, replicas: usize) -> Resources<'_> {
        let devices = if self.ordinals.is_empty() {
            Devices::Cpu
        } else {
            Devices::Cuda { ordinals: &self.ordinals, gpus: &self.gpus }
        };
        Resources { threads, replicas, devices }
    }
}
