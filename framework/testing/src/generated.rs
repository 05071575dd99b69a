//! Inputs that components are tried on.

use balpoe_core::components::{LogitMatrix, Predictions, SampleSplit};
use balpoe_core::random::{Purpose, Stream};
use balpoe_net::Init;

/// A stream for one input.
pub(crate) fn stream(index: u64) -> Stream {
    Stream::new(7, Purpose::Generation, 0, index)
}

/// Normal numbers.
pub(crate) fn normal(len: usize, deviation: f64, stream: &mut Stream) -> Vec<f32> {
    (0..len).map(|_| (deviation * stream.normal()) as f32).collect()
}

/// What a parameter may look like in training: spread around where it starts, not at a special point such as zero.
pub(crate) fn parameter(init: Init, len: usize, stream: &mut Stream) -> Vec<f32> {
    let (centre, deviation) = match init {
        Init::Normal { std } => (0.0, std),
        Init::Uniform { low, high } => (f32::midpoint(low, high), high - low),
        Init::Constant(value) => (value, 0.1),
        Init::UnitColumns => (0.0, 0.5),
    };
    normal(len, f64::from(deviation.max(0.1)), stream).into_iter().map(|x| centre + x).collect()
}

/// Images of each class, long-tailed.
pub(crate) fn class_counts(classes: usize) -> Vec<usize> {
    (0..classes).map(|class| (100.0 * 0.02_f64.powf(class as f64 / (classes - 1) as f64)) as usize).collect()
}

/// Overconfident experts that are right more often than not: logits of the true class are raised, and all are stretched.
pub(crate) fn predictions(
    experts: usize,
    samples: usize,
    classes: usize,
    split: SampleSplit,
    stream: &mut Stream,
) -> Predictions {
    let labels: Vec<u32> = (0..samples).map(|_| stream.below(classes) as u32).collect();
    let expert = |_| {
        let mut values = normal(samples * classes, 4.0, stream);
        for (row, &label) in values.chunks_exact_mut(classes).zip(&labels) {
            row[label as usize] += 6.0;
        }
        LogitMatrix { values, classes }
    };
    let experts = (0..experts).map(expert).collect();
    let identities = (0..samples as u32).map(|position| (split, position)).collect();
    Predictions { experts, labels, identities }
}

/// Largest difference, relative to the largest number or to one.
pub(crate) fn difference(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return f32::INFINITY;
    }
    let scale = a.iter().fold(1.0_f32, |scale, x| scale.max(x.abs()));
    let gap = a.iter().zip(b).map(|(a, b)| if a.to_bits() == b.to_bits() { 0.0 } else { (a - b).abs() });
    gap.fold(0.0, |worst, gap| if gap <= worst { worst } else { gap }) / scale
}
