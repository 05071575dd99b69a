//! What a run will cost: memory from the engine's plan, time from a few measured steps.

use std::fmt::Write as _;

use balpoe_core::components::Outline;
use balpoe_core::experiment::{Arm, BatchNormGroup};
use balpoe_engine::{self as engine, CpuExecutor, CpuOptions};

use crate::bench::{BenchOptions, Work, bench};
use crate::error::LabError;
use crate::network::Network;
use crate::resources::Resources;

/// Multiply-adds of the larger measured step's forward pass: enough to be timed, seconds on any machine.
const MEASURED_WORK: u64 = 20_000_000_000;
/// Images of the larger measured step, at least.
const FEWEST: usize = 4;

/// What the training of one cell needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Training images in an epoch.
    pub images: usize,
    /// Images in a batch.
    pub batch: usize,
    /// Epochs.
    pub epochs: usize,
    /// Bytes of parameters, gradients, the optimizer's state, and the forms of weights that kernels read: on every device.
    pub state_bytes: usize,
    /// Bytes of feature maps and their gradients for each image of a batch.
    pub image_bytes: usize,
    /// The measured time of a step, if it was measured.
    pub step: Option<StepTime>,
}

/// The time of a training step on one device, as a straight line through two measured ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepTime {
    /// Seconds of a step without images: preparing weights, the update.
    pub fixed: f64,
    /// Seconds for each image.
    pub image: f64,
}

impl StepTime {
    /// Seconds of a step.
    pub fn of(&self, images: usize) -> f64 {
        self.fixed + self.image * images as f64
    }
}

impl Estimate {
    /// Plans an arm's training on this machine's processor, and measures a few steps of it if asked to.
    ///
    /// # Errors
    /// If the network cannot be planned or run.
    pub fn new(
        arm: &mut Arm,
        outline: &Outline,
        resources: Resources<'_>,
        measure: bool,
    ) -> Result<Self, LabError> {
        let batch = arm.train.batch_size;
        let network = Network::of_shape(arm, outline.size, outline.class_counts.len())?;
        let options = CpuOptions {
            threads: resources.threads,
            max_batch: batch,
            batch_norm: match arm.train.batch_norm_group {
                BatchNormGroup::All => engine::BatchNormGroup::All,
                BatchNormGroup::Images(n) => engine::BatchNormGroup::Images(n),
            },
            winograd: arm.train.winograd,
            instruction_set: None,
        };
        let executor = CpuExecutor::new(&network.net, &options)?;
        let slots = arm.recipe.optimizer.component.slots();
        let values = network.net.parameter_count();
        let mut estimate = Self {
            images: outline.class_counts.iter().sum(),
            batch,
            epochs: arm.train.epochs,
            state_bytes: executor.weight_bytes() + slots * values * size_of::<f32>(),
            image_bytes: executor.training_bytes() / batch,
            step: None,
        };
        drop(executor);
        if measure {
            let work = (MEASURED_WORK / network.net.multiply_adds().max(1)) as usize;
            estimate.step = Some(measured(arm, outline, resources, work)?);
            arm.train.batch_size = batch;
        }
        Ok(estimate)
    }

    /// Updates in an epoch.
    pub fn steps(&self) -> usize {
        self.images.div_ceil(self.batch.max(1))
    }

    /// Images of a batch that one of so many devices gets.
    fn share(&self, devices: usize) -> usize {
        self.batch.div_ceil(devices)
    }

    /// Bytes on each of so many devices.
    pub fn bytes(&self, devices: usize) -> usize {
        self.state_bytes + self.share(devices) * self.image_bytes
    }

    /// Seconds of training on so many devices like this one, if a step was measured. What devices say to each other is not counted.
    pub fn seconds(&self, devices: usize) -> Option<f64> {
        let steps = (self.epochs * self.steps()) as f64;
        self.step.map(|step| steps * step.of(self.share(devices)))
    }

    /// A table: images, memory and time of each device for several numbers of devices.
    pub fn table(&self, numbers: &[usize]) -> String {
        let mut text = format!(
            "{} epochs of {} images: {} steps of {}\n",
            self.epochs,
            self.images,
            self.epochs * self.steps(),
            self.batch
        );
        if let Some(step) = self.step {
            let _ = writeln!(
                text,
                "measured here: {} a step and {} an image",
                duration(step.fixed),
                duration(step.image)
            );
        }
        let _ = writeln!(
            text,
            "{:>7}  {:>13}  {:>13}  {:>9}",
            "devices", "images of each", "memory of each", "training"
        );
        for &devices in numbers.iter().filter(|&&devices| devices <= self.batch) {
            let memory = format!("{:.1} GiB", self.bytes(devices) as f64 / f64::from(1 << 30));
            let time = self.seconds(devices).map_or("–".to_owned(), duration);
            let _ = writeln!(text, "{devices:>7}  {:>14}  {memory:>14}  {time:>9}", self.share(devices));
        }
        text
    }
}

/// Times of two batch sizes, the larger one of about so many images, and the line through them.
fn measured(
    arm: &mut Arm,
    outline: &Outline,
    resources: Resources<'_>,
    images: usize,
) -> Result<StepTime, LabError> {
    let most = arm.train.batch_size;
    let large = images.max(FEWEST).min(most);
    let small = (large / 2).max(2).min(most);
    let mut time = |batch| {
        arm.train.batch_size = batch;
        let options = BenchOptions {
            work: Work::Train,
            resources,
            resident: false,
            warm_up: 1,
            repeats: 2,
            operations: false,
        };
        let result = bench(arm, outline.size, &outline.class_counts, options)?;
        Ok::<f64, LabError>(result.seconds.into_iter().fold(f64::INFINITY, f64::min))
    };
    let at_large = time(large)?;
    if small == large {
        return Ok(StepTime { fixed: 0.0, image: at_large / large as f64 });
    }
    let at_small = time(small)?;
    let image = (at_large - at_small) / (large - small) as f64;
    // On a busy machine the line may slope the wrong way, or start below zero.
    let image = image.clamp(0.0, at_large / large as f64);
    Ok(StepTime { fixed: at_large - image * large as f64, image })
}

/// A time as people say it.
fn duration(seconds: f64) -> String {
    let units = [(86_400.0, "days"), (3_600.0, "h"), (60.0, "min"), (1.0, "s")];
    match units.into_iter().find(|(unit, _)| seconds >= 2.0 * unit) {
        Some((unit, name)) => format!("{:.1} {name}", seconds / unit),
        None => format!("{:.1} ms", seconds * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_devices_take_less_memory_and_time() {
        let step = StepTime { fixed: 0.5, image: 0.25 };
        let estimate = Estimate {
            images: 1001,
            batch: 10,
            epochs: 3,
            state_bytes: 1 << 30,
            image_bytes: 1 << 28,
            step: Some(step),
        };
        assert_eq!(estimate.steps(), 101);
        assert_eq!(estimate.seconds(1), Some(303.0 * 3.0));
        // Four devices: three images on the fullest one.
        assert_eq!(estimate.seconds(4), Some(303.0 * 1.25));
        assert_eq!(estimate.bytes(4), (1 << 30) + 3 * (1 << 28));
        assert_eq!(
            estimate.table(&[1, 4, 16]),
            "3 epochs of 1001 images: 303 steps of 10\n\
             measured here: 500.0 ms a step and 250.0 ms an image\n\
             devices  images of each  memory of each   training\n\
             \u{20}     1              10         3.5 GiB   15.2 min\n\
             \u{20}     4               3         1.8 GiB    6.3 min\n"
        );
    }
}
