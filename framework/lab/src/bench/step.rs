//! Speed of the training step and of evaluation, measured on the very code that experiments run.

use std::sync::Arc;
use std::time::Instant;

use balpoe_core::components::{Images, Position, Split};
use balpoe_core::experiment::Arm;
use balpoe_core::random::{Purpose, Stream};
use balpoe_data::{BatchImages, ImageForm, LoadedBatch, Normalisation, ResidentImages};
use balpoe_engine::OperationTime;

use super::data::{NoImages, sizes_only};
use crate::error::LabError;
use crate::network::Network;
use crate::resources::Resources;
use crate::trainer::Trainer;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Mixing, forward pass, loss, backward pass, update; on a GPU from the images that it keeps, or from bytes.
    Train,
    /// Forward pass in evaluation mode.
    Evaluate,
}

/// How a measurement is made.
#[derive(Clone, Copy, Debug)]
pub struct BenchOptions<'a> {
    /// What is measured.
    pub work: Work,
    /// What the network runs on.
    pub resources: Resources<'a>,
    /// Whether images are taken for those of a data set in memory, which a GPU keeps; others are brought to every step.
    pub resident: bool,
    /// Repeats that come first and are not measured, at least one.
    pub warm_up: usize,
    /// Repeats that are measured.
    pub repeats: usize,
    /// Whether every operation is timed as well, on the processor; costs a little.
    pub operations: bool,
}

/// A measurement.
#[derive(Clone, Debug)]
pub struct BenchResult {
    /// Seconds of each repeat.
    pub seconds: Vec<f64>,
    /// Images in a repeat.
    pub images: usize,
    /// Time, work and traffic of each operation over all repeats; empty unless asked for.
    pub operations: Vec<OperationTime>,
    /// What came up on the devices and makes them slower than they are meant to be, a line each.
    pub notices: Vec<String>,
}

/// Measures an arm's network on random images. `size` is the images' height and width, `class_counts` the training images of
/// each class; the arm's data set is not touched.
///
/// # Errors
/// If the network cannot be described or run.
pub fn bench(
    arm: &Arm,
    size: (usize, usize),
    class_counts: &[usize],
    options: BenchOptions<'_>,
) -> Result<BenchResult, LabError> {
    let data = sizes_only(size, class_counts);
    let network = Network::describe(arm, &data)?;
    let mut trainer = Trainer::new(arm, &data, &data.train, &network, 0, options.resources)?;
    let images = arm.train.batch_size;
    let mut stream = Stream::new(0, Purpose::Generation, 0, 0);
    let pixels: Vec<u8> = (0..images * size.0 * size.1 * 3).map(|_| stream.below(256) as u8).collect();
    let labels: Vec<u32> = (0..images).map(|_| stream.below(class_counts.len()) as u32).collect();
    let mut values = vec![0.0; pixels.len()];
    Normalisation::new(data.mean, data.deviation).apply(&pixels, &mut values);
    let source: Arc<dyn Images> = if options.resident {
        Arc::new(ResidentImages::new(size.0, size.1, pixels.clone()))
    } else {
        Arc::new(NoImages)
    };
    let form = trainer.image_form(&Split { images: source, labels: labels.clone() })?;
    let mut batch = LoadedBatch {
        images: match form {
            ImageForm::Normalised => BatchImages::Normalised(values.clone()),
            ImageForm::Bytes => BatchImages::Bytes(pixels.clone()),
            // Nothing is moved.
            ImageForm::Maps => BatchImages::Maps(Vec::new()),
        },
        labels: Vec::new(),
        positions: (0..images as u32).collect(),
    };

    let (warm_up, repeats) = (options.warm_up, options.repeats + options.warm_up);
    let mut seconds = Vec::new();
    for repeat in 0..repeats {
        if repeat == warm_up {
            trainer.set_timing(options.operations);
        }
        // What the last step took or mixed. A GPU's images are as they were, so that nothing is done while it goes on unmeasured.
        batch.labels.clone_from(&labels);
        if let BatchImages::Normalised(mixed) = &mut batch.images {
            mixed.copy_from_slice(&values);
        }
        let start = Instant::now();
        match options.work {
            Work::Train => {
                let position = Position { epoch: 0, epochs: 1, batch: repeat, batches: repeats };
                // On a GPU it begins this step and waits for the one before: as long, when there is one before.
                trainer.advance(&mut batch, position)?;
            }
            Work::Evaluate => {
                trainer.predict(&values, images)?;
            }
        }
        if repeat >= warm_up {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    while trainer.settle()?.is_some() {}
    let (operations, notices) = (trainer.timings(), trainer.executor().take_notices());
    Ok(BenchResult { seconds, images, operations, notices })
}
