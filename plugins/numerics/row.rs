//! What is asked of one row of logits.

/// The first position of the largest logit.
pub(crate) fn argmax(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

/// `ln sum_c exp(z_c)`.
pub(crate) fn log_sum_exp(row: &[f32]) -> f64 {
    let largest = f64::from(row[argmax(row)]);
    largest + row.iter().map(|&z| (f64::from(z) - largest).exp()).sum::<f64>().ln()
}
