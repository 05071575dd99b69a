//! The logit-adjusted cross-entropy with soft targets, loss and gradient in one pass.

use super::memory::{Buffer, Shared};
use super::pool::ThreadPool;
use super::simd::{Dispatch, InstructionSet, Kernel, LANES, Simd, Vector, exp, round_up};
use crate::EngineError;
use crate::checks::{check_adjustments, check_len};
use balpoe_net::LogitAdjustedCrossEntropy;
use std::sync::Mutex;

/// Targets of a batch that may be mixed from two images and smoothed.
///
/// The target of row `i` is `(1 - smoothing) (lambda[i] e_first[i] + (1 - lambda[i]) e_second[i]) + smoothing / classes`.
#[derive(Clone, Copy, Debug)]
pub struct SoftTargets<'a> {
    /// Class of the first image, `[batch]`.
    pub first: &'a [u32],
    /// Class of the image mixed in, `[batch]`.
    pub second: &'a [u32],
    /// Weight of the first image, `[batch]`; 1 where nothing is mixed.
    pub lambda: &'a [f32],
    /// Share of the target that is spread over all classes.
    pub smoothing: f32,
}

impl SoftTargets<'_> {
    /// Refuses targets that do not fit a batch.
    pub(crate) fn check(&self, batch: usize, classes: usize) -> Result<(), EngineError> {
        check_len(|| "targets.first".into(), self.first.len(), batch, "one for each row")?;
        check_len(|| "targets.second".into(), self.second.len(), batch, "one for each row")?;
        check_len(|| "targets.lambda".into(), self.lambda.len(), batch, "one for each row")?;
        for labels in [self.first, self.second] {
            if let Some(row) = labels.iter().position(|&label| label as usize >= classes) {
                return Err(EngineError::Label { row, label: labels[row], classes });
            }
        }
        Ok(())
    }
}

/// Rows of one expert that a thread takes at a time.
const ROWS: usize = 16;

/// Loss of each expert (mean over the batch) and the gradient of their mean with respect to the logits.
///
/// `logits` and `gradients` hold `[batch, classes]` for each expert; gradients are resized and overwritten. The loss is
/// described at [`LogitAdjustedCrossEntropy`].
///
/// # Errors
/// If lengths do not agree, a label is no class, or a computation panicked.
pub fn logit_adjusted_cross_entropy(
    pool: &ThreadPool,
    logits: &[&[f32]],
    classes: usize,
    loss: &LogitAdjustedCrossEntropy,
    targets: &SoftTargets<'_>,
    gradients: &mut [Vec<f32>],
) -> Result<Vec<f32>, EngineError> {
    let (experts, batch) = (logits.len(), targets.first.len());
    check(logits, classes, loss, targets, gradients.len())?;
    for gradient in gradients.iter_mut() {
        gradient.resize(batch * classes, 0.0);
    }
    let targets_of: Vec<Shared> = gradients.iter_mut().map(|gradient| Shared::writing(gradient)).collect();
    let dispatch = InstructionSet::detect().dispatch()?;
    let chunks = batch.div_ceil(ROWS);
    let losses: Vec<Mutex<Vec<f64>>> = (0..experts * chunks).map(|_| Mutex::default()).collect();
    pool.run(experts * chunks, &|_, item| {
        let (expert, first) = (item / chunks, item % chunks * ROWS);
        let rows = first..(first + ROWS).min(batch);
        // SAFETY: the rows of a chunk are written by the thread that took it alone.
        let gradient = unsafe { targets_of[expert].slice_mut(rows.start * classes, rows.len() * classes) };
        let mut room = Buffer::zeroed(round_up(classes));
        room.fill(f32::NEG_INFINITY);
        let mut chunk = Vec::with_capacity(rows.len());
        for (row, gradient) in rows.zip(gradient.chunks_exact_mut(classes)) {
            let logits = &logits[expert][row * classes..][..classes];
            let target = Target {
                first: targets.first[row] as usize,
                second: targets.second[row] as usize,
                lambda: targets.lambda[row],
                smoothing: targets.smoothing,
            };
            let weight = 1.0 / (batch * experts) as f32;
            chunk.push(row_loss(
                dispatch,
                logits,
                &loss.adjustments[expert],
                &target,
                weight,
                &mut room,
                gradient,
            ));
        }
        if let Ok(mut place) = losses[item].lock() {
            *place = chunk;
        }
    })?;
    let mut means = Vec::with_capacity(experts);
    for expert in losses.chunks_exact(chunks.max(1)) {
        let sum: f64 =
            expert.iter().filter_map(|chunk| chunk.lock().ok()).flat_map(|chunk| chunk.clone()).sum();
        means.push((sum / batch as f64) as f32);
    }
    Ok(means)
}

fn check(
    logits: &[&[f32]],
    classes: usize,
    loss: &LogitAdjustedCrossEntropy,
    targets: &SoftTargets<'_>,
    gradients: usize,
) -> Result<(), EngineError> {
    let (experts, batch) = (logits.len(), targets.first.len());
    if batch == 0 || classes == 0 || experts == 0 {
        return Err(EngineError::Option { option: "a side of the logits", found: 0, range: "at least 1" });
    }
    check_len(|| "the list of gradients".into(), gradients, experts, "one for each expert")?;
    for (expert, logits) in logits.iter().enumerate() {
        let what = || format!("logits of expert {expert}");
        check_len(what, logits.len(), batch * classes, "[batch, classes]")?;
    }
    check_adjustments(loss, experts, classes)?;
    targets.check(batch, classes)
}

struct Target {
    first: usize,
    second: usize,
    lambda: f32,
    smoothing: f32,
}

/// Loss of one row; `gradient` receives `weight (softmax - target)`. `room` has a whole number of vectors, with negative
/// infinity beyond the classes.
fn row_loss(
    dispatch: Dispatch,
    logits: &[f32],
    adjustment: &[f32],
    target: &Target,
    weight: f32,
    room: &mut [f32],
    gradient: &mut [f32],
) -> f64 {
    let classes = logits.len();
    for ((room, &logit), &adjustment) in room.iter_mut().zip(logits).zip(adjustment) {
        *room = logit + adjustment;
    }
    let share = target.smoothing / classes as f32;
    let kept = 1.0 - target.smoothing;
    let mut expected = f64::from(target.lambda * kept) * f64::from(room[target.first]);
    expected += f64::from((1.0 - target.lambda) * kept) * f64::from(room[target.second]);
    if share != 0.0 {
        expected += f64::from(share) * room[..classes].iter().map(|&logit| f64::from(logit)).sum::<f64>();
    }
    let log_sum = dispatch.run(Softmax { row: room.as_chunks_mut::<LANES>().0 });
    for (gradient, &probability) in gradient.iter_mut().zip(&*room) {
        *gradient = weight * (probability - share);
    }
    gradient[target.first] -= weight * target.lambda * kept;
    gradient[target.second] -= weight * (1.0 - target.lambda) * kept;
    room[classes..].fill(f32::NEG_INFINITY);
    f64::from(log_sum) - expected
}

/// Turns logits into probabilities in place and returns the logarithm of the sum of their exponentials.
struct Softmax<'a> {
    row: &'a mut [[f32; LANES]],
}

impl Kernel for Softmax<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let mut largest = simd.splat(f32::NEG_INFINITY);
        for lanes in &*self.row {
            largest = largest.max(simd.load(lanes));
        }
        let mut lanes = [0.0; LANES];
        largest.store(&mut lanes);
        let mut maximum = f32::NEG_INFINITY;
        for lane in lanes {
            maximum = if lane > maximum { lane } else { maximum };
        }
        let mut sum = simd.zero();
        for lanes in &mut *self.row {
            let power = exp(simd, simd.load(lanes) - simd.splat(maximum));
            power.store(lanes);
            sum = sum + power;
        }
        let sum = sum.sum();
        let share = simd.splat(1.0 / sum);
        for lanes in self.row {
            (simd.load(lanes) * share).store(lanes);
        }
        maximum + sum.ln()
    }
}
