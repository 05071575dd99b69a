use super::Real;

/// The logit-adjusted cross-entropy, row by row: loss of each expert (mean over the batch) and the gradient of their mean.
///
/// `logits` and `adjustments` are `[experts][batch * classes]` and `[experts][classes]`; `targets` is the dense
/// `[batch, classes]` matrix of target probabilities.
pub fn logit_adjusted_cross_entropy<T: Real>(
    logits: &[Vec<T>],
    adjustments: &[Vec<T>],
    targets: &[T],
) -> (Vec<T>, Vec<Vec<T>>) {
    let (mut losses, mut gradients) = (Vec::new(), Vec::new());
    for (logits, adjustment) in logits.iter().zip(adjustments) {
        let classes = adjustment.len();
        let rows = T::of((logits.len() / classes) as f64);
        let experts = T::of(adjustments.len() as f64);
        let (mut loss, mut gradient) = (T::zero(), Vec::new());
        for (logits, target) in logits.chunks_exact(classes).zip(targets.chunks_exact(classes)) {
            let adjusted: Vec<T> = logits.iter().zip(adjustment).map(|(&z, &a)| z + a).collect();
            let largest = adjusted.iter().copied().fold(adjusted[0], |a, b| if b > a { b } else { a });
            let sum: T = adjusted.iter().map(|&z| (z - largest).exp()).sum();
            for (&z, &t) in adjusted.iter().zip(target) {
                loss += t * (largest + sum.ln() - z) / rows;
                gradient.push(((z - largest).exp() / sum - t) / (rows * experts));
            }
        }
        losses.push(loss);
        gradients.push(gradient);
    }
    (losses, gradients)
}
