//! What executors refuse, whatever they run on.

use crate::{BatchNormGroup, EngineError};
use balpoe_net::{LogitAdjustedCrossEntropy, Net};

/// Refuses options out of range.
pub(crate) fn check_options(max_batch: usize, batch_norm: BatchNormGroup) -> Result<(), EngineError> {
    let range = "at least 1";
    if max_batch == 0 {
        return Err(EngineError::Option { option: "max_batch", found: 0, range });
    }
    if batch_norm == BatchNormGroup::Images(0) {
        return Err(EngineError::Option { option: "the batch-norm group", found: 0, range });
    }
    Ok(())
}

/// Refuses a batch that is empty, too large, or not what it says.
pub(crate) fn check_batch(
    net: &Net,
    images: &[f32],
    batch: usize,
    max_batch: usize,
) -> Result<(), EngineError> {
    check_batch_size(batch, max_batch)?;
    let layout = "[batch, height, width, channels]";
    check_len(|| "the batch of images".into(), images.len(), batch * net.input_shape().len(), layout)
}

/// Refuses a batch that is empty or too large.
pub(crate) fn check_batch_size(batch: usize, max_batch: usize) -> Result<(), EngineError> {
    if batch == 0 || batch > max_batch { Err(EngineError::Batch { found: batch, max_batch }) } else { Ok(()) }
}

/// Refuses seeds that do not fit the outputs.
pub(crate) fn check_seeds(seeds: &[Option<&[f32]>], outputs: &[Vec<f32>]) -> Result<(), EngineError> {
    check_len(|| "the list of seeds".into(), seeds.len(), outputs.len(), "one for each output")?;
    for (k, (seed, output)) in seeds.iter().zip(outputs).enumerate() {
        if let Some(seed) = seed {
            check_len(|| format!("seed {k}"), seed.len(), output.len(), "as the output")?;
        }
    }
    Ok(())
}

/// Refuses adjustments that do not fit the logits.
pub(crate) fn check_adjustments(
    loss: &LogitAdjustedCrossEntropy,
    experts: usize,
    classes: usize,
) -> Result<(), EngineError> {
    let list = || "the list of logit adjustments".into();
    check_len(list, loss.adjustments.len(), experts, "one for each expert")?;
    for (expert, adjustment) in loss.adjustments.iter().enumerate() {
        check_len(|| format!("adjustments of expert {expert}"), adjustment.len(), classes, "[classes]")?;
    }
    Ok(())
}

/// Refuses a slice of the wrong length.
pub(crate) fn check_len(
    what: impl Fn() -> String,
    found: usize,
    expected: usize,
    layout: &'static str,
) -> Result<(), EngineError> {
    if found == expected {
        Ok(())
    } else {
        Err(EngineError::Length { what: what(), found, expected, layout })
    }
}
