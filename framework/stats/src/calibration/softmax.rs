//! One pass over a row of scores, written so that the compiler vectorises it.
//!
//! The sums that every top-label metric needs (normaliser, squared probabilities, entropy) are taken together while the
//! row is in cache. Exponentials are `f32` with a relative error below 2e-7; sums run in `f32` over short stretches
//! only and in `f64` beyond, so a confidence, log loss or entropy is good to a few parts in 10⁷ at any number of
//! classes.

/// Independent accumulators: enough to hide the latency of an addition, few enough for the registers of every machine.
const LANES: usize = 8;
/// Elements that are summed in `f32` before the sum moves to `f64`.
const STRETCH: usize = 256;

/// The sums of one row that top-label metrics are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowSums {
    /// The first position of the largest score.
    pub(super) argmax: usize,
    /// The natural logarithm of the largest probability, at most 0.
    pub(super) log_confidence: f64,
    /// The sum of squared probabilities.
    pub(super) squares: f64,
    /// The entropy in nats.
    pub(super) entropy: f64,
}

impl RowSums {
    /// The sums of a row of logits; `None` when one is NaN or +∞, or none is finite.
    pub(super) fn of_logits(logits: &[f32]) -> Option<Self> {
        let (argmax, max) = first_largest(logits)?;
        if !max.is_finite() {
            return None;
        }
        // The largest term is 1 and stays out of the sums, so that the rest keeps its digits however small it is: a
        // confidence of 1 - 10⁻¹² differs from one of 1 - 10⁻¹¹.
        let [mut rest, mut squares, mut weighted] = [0.0_f64; 3];
        for side in [&logits[..argmax], &logits[argmax + 1..]] {
            for stretch in side.chunks(STRETCH) {
                let [part, part_squares, part_weighted] = exp_sums(stretch, max);
                rest += f64::from(part);
                squares += f64::from(part_squares);
                weighted += f64::from(part_weighted);
            }
        }
        let (sum, log_sum) = (1.0 + rest, rest.ln_1p());
        // A NaN anywhere in the row has made the sum NaN.
        sum.is_finite().then(|| Self {
            argmax,
            log_confidence: -log_sum,
            squares: (1.0 + squares) / (sum * sum),
            entropy: log_sum - weighted / sum,
        })
    }

    /// The sums of a row of probabilities; `None` when the row is no distribution (see `ScoreKind::requirement`).
    pub(super) fn of_probabilities(probabilities: &[f32]) -> Option<Self> {
        let (argmax, max) = first_largest(probabilities)?;
        let [mut sum, mut squares, mut entropy] = [0.0_f64; 3];
        for &probability in probabilities {
            if !(0.0..=1.0).contains(&probability) {
                return None;
            }
            let p = f64::from(probability);
            sum += p;
            squares += p * p;
            entropy -= if p > 0.0 { p * p.ln() } else { 0.0 };
        }
        ((sum - 1.0).abs() <= 1e-3).then(|| Self {
            argmax,
            log_confidence: f64::from(max).ln(),
            squares,
            entropy,
        })
    }
}

/// Writes the softmax of `logits` into `probabilities`; `None` when the row is refused as by [`RowSums::of_logits`].
pub(super) fn softmax(logits: &[f32], probabilities: &mut [f32]) -> Option<()> {
    let (_, max) = first_largest(logits)?;
    if !max.is_finite() {
        return None;
    }
    let mut sum = 0.0_f64;
    for (logits, probabilities) in logits.chunks(STRETCH).zip(probabilities.chunks_mut(STRETCH)) {
        let mut lanes = [0.0_f32; LANES];
        for (logits, probabilities) in logits.chunks(LANES).zip(probabilities.chunks_mut(LANES)) {
            for ((lane, logit), probability) in lanes.iter_mut().zip(logits).zip(probabilities) {
                *probability = exp(logit - max);
                *lane += *probability;
            }
        }
        sum += f64::from(lanes.iter().sum::<f32>());
    }
    if !sum.is_finite() {
        return None;
    }
    let scale = (1.0 / sum) as f32;
    for probability in probabilities {
        *probability *= scale;
    }
    Some(())
}

/// The first position of the largest value, and that value; NaN is never the largest. `None` for an empty row.
fn first_largest(values: &[f32]) -> Option<(usize, f32)> {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for (lane, &value) in lanes.iter_mut().zip(block) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    let max = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |max, &value| max.max(value));
    values.iter().position(|&value| value == max).map(|position| (position, max))
}

/// Sums of `exp(d)`, `exp(2 d)` and `d exp(d)` with `d = logit - max` over a short stretch.
fn exp_sums(logits: &[f32], max: f32) -> [f32; 3] {
    let mut sums = [[0.0_f32; LANES]; 3];
    let mut add = |lane: usize, logit: f32| {
        let distance = floor(logit - max);
        let e = exp(distance);
        sums[0][lane] += e;
        sums[1][lane] += e * e;
        sums[2][lane] += e * distance;
    };
    let (blocks, rest) = logits.as_chunks::<LANES>();
    for block in blocks {
        for (lane, &logit) in block.iter().enumerate() {
            add(lane, logit);
        }
    }
    // What the filling adds, `exp(-87)`, is below the last digit of any sum that matters.
    let mut last = [f32::NEG_INFINITY; LANES];
    last[..rest.len()].copy_from_slice(rest);
    for (lane, &logit) in last.iter().enumerate() {
        add(lane, logit);
    }
    sums.map(|lanes| lanes.iter().sum())
}

/// Raises `x` to -87, where `exp` is still a normal number; written to let a NaN through.
pub(super) fn floor(x: f32) -> f32 {
    if x < -87.0 { -87.0 } else { x }
}

/// `exp(x)` for `x <= 0` with a relative error below 2e-7; below -87 it stays at `exp(-87)`, about 1.6e-38.
///
/// `x = n ln 2 + r` with `|r| <= ln 2 / 2`: the Taylor polynomial of degree 7 has a truncation error below 6e-9
/// there, and 2ⁿ is made from its bits.
pub(super) fn exp(x: f32) -> f32 {
    /// Adding 1.5 · 2²³ rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts: the first has few enough bits that its multiples are exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = floor(x);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut polynomial = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        polynomial = polynomial * r + coefficient;
    }
    polynomial * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

/// The natural logarithm of a number in (0, 1], with an absolute error below 1.5e-7 times the larger of 1 and its
/// size; 0 is taken as the smallest normal number.
///
/// `x = 2ⁿ m` with `m` within a factor √2 of 1, and `ln m = 2 artanh((m - 1) / (m + 1))` by its series.
pub(super) fn ln(x: f32) -> f32 {
    /// The bits of √(1/2).
    const HALF_ROOT: u32 = 0x3f35_04f3;
    let bits = if x < f32::MIN_POSITIVE { f32::MIN_POSITIVE } else { x }.to_bits();
    let exponent = (bits.wrapping_sub(HALF_ROOT)).cast_signed() >> 23;
    let m = f32::from_bits(bits.wrapping_sub(exponent.cast_unsigned() << 23));
    let s = (m - 1.0) / (m + 1.0);
    let squared = s * s;
    let mut series = 1.0 / 11.0;
    for coefficient in [1.0 / 9.0, 1.0 / 7.0, 0.2, 1.0 / 3.0, 1.0] {
        series = series * squared + coefficient;
    }
    exponent as f32 * std::f32::consts::LN_2 + 2.0 * s * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_good_to_two_parts_in_ten_million() {
        let worst = (0..=8_700_000)
            .map(|i| -(i as f32) * 1e-5)
            .map(|x| (f64::from(exp(x)) / f64::from(x).exp() - 1.0).abs())
            .fold(0.0, f64::max);
        assert!(worst < 2e-7, "largest relative error {worst}");
    }

    #[test]
    fn logarithm_is_good_to_two_parts_in_ten_million() {
        for i in 0..3_000_000 {
            let x = (-(i as f32) * 2.9e-5).exp();
            let (ours, exact) = (f64::from(ln(x)), f64::from(x).ln());
            assert!((ours - exact).abs() < 1.5e-7 * exact.abs().max(1.0), "ln {x} = {exact}, found {ours}");
        }
        assert_eq!((ln(1.0), ln(0.0)), (0.0, ln(f32::MIN_POSITIVE)));
    }

    #[test]
    fn sums_agree_with_the_definitions_in_f64_at_many_lengths() {
        for classes in [1, 2, 7, 8, 9, 100, 255, 256, 257, 8142] {
            let logits: Vec<f32> = (0..classes).map(|k| ((k * 37 % 101) as f32).sin() * 9.0).collect();
            let max = logits.iter().fold(f32::NEG_INFINITY, |max, &z| max.max(z));
            let total: f64 = logits.iter().map(|&z| f64::from(z - max).exp()).sum();
            let p: Vec<f64> = logits.iter().map(|&z| f64::from(z - max).exp() / total).collect();
            let sums = RowSums::of_logits(&logits).unwrap();
            let entropy: f64 = -p.iter().map(|p| p * p.ln()).sum::<f64>();
            assert!((sums.log_confidence + total.ln()).abs() < 3e-7);
            assert!((sums.squares - p.iter().map(|p| p * p).sum::<f64>()).abs() < 3e-7);
            assert!((sums.entropy - entropy).abs() < 2e-6, "{} against {entropy}", sums.entropy);
            let mut q = vec![0.0; classes];
            softmax(&logits, &mut q).unwrap();
            assert!(p.iter().zip(&q).all(|(p, &q)| (p - f64::from(q)).abs() < 3e-7));
        }
    }

    #[test]
    fn rows_that_are_no_distribution_are_refused_wherever_the_bad_score_stands() {
        for position in 0..20 {
            let mut row = vec![0.5_f32; 20];
            row[position] = f32::NAN;
            assert!(RowSums::of_logits(&row).is_none() && softmax(&row.clone(), &mut row).is_none());
            row[position] = f32::INFINITY;
            assert!(RowSums::of_logits(&row).is_none());
            row[position] = f32::NEG_INFINITY;
            assert!(RowSums::of_logits(&row).is_some());
        }
        assert!(RowSums::of_logits(&[f32::NEG_INFINITY; 3]).is_none());
        assert!(RowSums::of_probabilities(&[0.5, 0.6]).is_none());
        assert!(RowSums::of_probabilities(&[1.5, -0.5]).is_none());
        assert!(RowSums::of_probabilities(&[0.5, f32::NAN]).is_none());
    }

    #[test]
    fn ties_go_to_the_first_class() {
        assert_eq!(RowSums::of_logits(&[0.0, 1.0, 1.0]).unwrap().argmax, 1);
    }
}
