//! Speed of the input pipeline: reading, decoding, augmenting and normalising, measured on the very code that experiments run.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use balpoe_core::components::Place;
use balpoe_core::experiment::Arm;
use balpoe_data::{ImageForm, Normalisation, Pipeline, SpareMemory};

use super::step::BenchResult;
use crate::error::LabError;

/// How the input pipeline is measured.
#[derive(Clone, Copy, Debug)]
pub struct BenchInputOptions {
    /// Threads that work ahead; with none, batches are made where they are asked for.
    pub workers: usize,
    /// Passes over the training images that count as one repeat.
    pub times: usize,
    /// Repeats that are measured, after one that is not.
    pub repeats: usize,
}

/// Makes an arm's training batches as fast as they can be made; no network is run.
///
/// # Errors
/// If the data cannot be had.
pub fn bench_input(arm: &Arm, data_root: &Path, options: BenchInputOptions) -> Result<BenchResult, LabError> {
    let data = arm.dataset.component.load(Place { root: data_root })?;
    let pipeline = Arc::new(Pipeline {
        split: data.train.clone(),
        size: data.size,
        augmentations: arm.recipe.augmentations.iter().map(|built| Arc::clone(&built.component)).collect(),
        normalisation: Normalisation::new(data.mean, data.deviation),
        batch_size: NonZeroUsize::new(arm.train.batch_size).unwrap_or(NonZeroUsize::MIN),
        workers: options.workers,
        form: ImageForm::Normalised,
        spare: SpareMemory::default(),
    });
    let pass = 0..data.train.len() as u32;
    let order: Vec<u32> = (0..options.times.max(1)).flat_map(|_| pass.clone()).collect();
    let mut seconds = Vec::new();
    for repeat in 0..=options.repeats {
        let start = Instant::now();
        for batch in pipeline.load(order.clone(), 0, repeat as u64) {
            pipeline.give_back(batch?.images);
        }
        if repeat > 0 {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    Ok(BenchResult { seconds, images: order.len(), operations: Vec::new(), notices: Vec::new() })
}
