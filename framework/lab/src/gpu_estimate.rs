//! What a run will cost on GPUs: memory and commands from the engine's plan, which needs no GPU.

use std::fmt::Write as _;

use balpoe_core::components::Outline;
use balpoe_core::experiment::{Arm, BatchNormGroup, Lowering};
use balpoe_engine::cuda::{CudaOptions, CudaPreview};
use balpoe_engine::{self as engine};

use crate::error::LabError;
use crate::executor::engine_precision;
use crate::network::{Heads, Network};

/// A table of images, memory and commands of each GPU for several numbers of GPUs that share every batch.
///
/// # Errors
/// If the network cannot be planned.
pub fn gpu_table(arm: &Arm, outline: &Outline, numbers: &[usize]) -> Result<String, LabError> {
    let network = Network::of_shape(arm, outline.size, outline.class_counts.len())?;
    let max_batch = arm.train.batch_size;
    let batch_norm = match arm.train.batch_norm_group {
        BatchNormGroup::All => engine::BatchNormGroup::All,
        BatchNormGroup::Images(n) => engine::BatchNormGroup::Images(n),
    };
    let options = CudaOptions { max_batch, batch_norm };
    let precision = engine_precision(arm.train.precision);
    let in_engine = matches!(network.heads, Heads::Lowered) && arm.train.lowering == Lowering::Auto;
    let logits = in_engine.then_some(network.experts..2 * network.experts);
    let mut text = format!(
        "on GPUs, in {precision}, apart from images that are kept and what NVIDIA's libraries take\n"
    );
    let _ = writeln!(
        text,
        "{:>7}  {:>14}  {:>14}  {:>14}  {:>12}",
        "GPUs", "images of each", "memory of each", "commands", "convolutions"
    );
    for &devices in numbers.iter().filter(|&&devices| devices <= max_batch) {
        let preview = CudaPreview::new(&network.net, &options, devices, precision.storage(), logits.clone())?;
        let memory = format!("{:.2} GiB", preview.bytes() as f64 / f64::from(1 << 30));
        // The last is the step, whole (on images that the GPU keeps) or pass by pass.
        let (commands, convolutions) =
            preview.passes.last().map_or((0, 0), |step| (step.commands.len(), step.convolutions));
        let images = max_batch.div_ceil(devices);
        let _ =
            writeln!(text, "{devices:>7}  {images:>14}  {memory:>14}  {commands:>14}  {convolutions:>12}");
    }
    Ok(text)
}
