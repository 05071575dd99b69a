//! One pass over a row of scores, written so that the compiler vectorises it.
//!
//! The sums that every top-label metric needs (normaliser, squared probabilities, entropy) are taken together while the
//! row is in cache. Exponentials are `f32` with a relative error below 2e-7; sums run in `f32` over short stretches
//! only and in `f64` beyond, so a confidence, log loss or entropy is good to a few parts in 10⁷ at any number of
//! classes.
//!
//! Every kernel is compiled for several instruction sets, and the best that the processor has is chosen at run time. The
//! lanes of a sum are a fixed number and nothing is fused, so that all instruction sets give the same bits.

#![expect(clippy::inline_always, reason = "code outside a kernel is compiled without its instruction set")]

use pulp::{Arch, NullaryFnOnce};

/// Independent accumulators: one register of the widest instruction set.
const LANES: usize = 16;
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
        Arch::new().dispatch(SumsOfLogits(logits))
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

/// [`RowSums::of_logits`] as a kernel.
struct SumsOfLogits<'a>(&'a [f32]);

impl NullaryFnOnce for SumsOfLogits<'_> {
    type Output = Option<RowSums>;

    #[inline(always)]
    fn call(self) -> Option<RowSums> {
        let logits = self.0;
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
        sum.is_finite().then(|| RowSums {
            argmax,
            log_confidence: -log_sum,
            squares: (1.0 + squares) / (sum * sum),
            entropy: log_sum - weighted / sum,
        })
    }
}

/// Writes the softmax of `logits` into `probabilities`; `None` when the row is refused as by [`RowSums::of_logits`].
pub(super) fn softmax(logits: &[f32], probabilities: &mut [f32]) -> Option<()> {
    Arch::new().dispatch(Softmax { logits, probabilities })
}

/// [`softmax`] as a kernel.
struct Softmax<'a> {
    logits: &'a [f32],
    probabilities: &'a mut [f32],
}

impl NullaryFnOnce for Softmax<'_> {
    type Output = Option<()>;

    #[inline(always)]
    fn call(self) -> Option<()> {
        let (_, max) = first_largest(self.logits)?;
        if !max.is_finite() {
            return None;
        }
        let mut sum = 0.0_f64;
        for (logits, probabilities) in self.logits.chunks(STRETCH).zip(self.probabilities.chunks_mut(STRETCH))
        {
            let mut lanes = [0.0_f32; LANES];
            for (logits, probabilities) in logits.chunks(LANES).zip(probabilities.chunks_mut(LANES)) {
                for ((lane, logit), probability) in lanes.iter_mut().zip(logits).zip(probabilities) {
                    *probability = exp(logit - max);
                    *lane += *probability;
                }
            }
            sum += f64::from(total(lanes));
        }
        if !sum.is_finite() {
            return None;
        }
        let scale = (1.0 / sum) as f32;
        for probability in self.probabilities {
            *probability *= scale;
        }
        Some(())
    }
}

/// Turns the logits of some classes into probabilities: `exp(logit - max) * confidence`, with the largest logit of the
/// row and its probability.
pub(super) struct ProbabilitiesOf<'a> {
    pub(super) scores: &'a mut [f32],
    pub(super) max: f32,
    pub(super) confidence: f32,
}

impl ProbabilitiesOf<'_> {
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl NullaryFnOnce for ProbabilitiesOf<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for score in self.scores {
            *score = exp(*score - self.max) * self.confidence;
        }
    }
}

/// The first position of the largest value, and that value; NaN is never the largest. `None` for an empty row.
#[inline(always)]
fn first_largest(values: &[f32]) -> Option<(usize, f32)> {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for (lane, &value) in lanes.iter_mut().zip(block) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    let mut max = f32::NEG_INFINITY;
    for &value in lanes.iter().chain(rest) {
        max = if value > max { value } else { max };
    }
    // Whole blocks are compared before anything is decided.
    let mut first = 0;
    for block in values.as_chunks::<{ 4 * LANES }>().0 {
        let mut found = false;
        for &value in block {
            found |= value == max;
        }
        if found {
            break;
        }
        first += block.len();
    }
    let position = values[first..].iter().position(|&value| value == max)?;
    Some((first + position, max))
}

/// Sums of `exp(d)`, `exp(2 d)` and `d exp(d)` with `d = logit - max` over a short stretch.
#[inline(always)]
fn exp_sums(logits: &[f32], max: f32) -> [f32; 3] {
    let mut sums = [[0.0_f32; LANES]; 3];
    let (blocks, rest) = logits.as_chunks::<LANES>();
    for block in blocks {
        add_exponentials(&mut sums, block, max);
    }
    if !rest.is_empty() {
        // What the filling adds, `exp(-87)`, is below the last digit of any sum that matters.
        let mut last = [f32::NEG_INFINITY; LANES];
        last[..rest.len()].copy_from_slice(rest);
        add_exponentials(&mut sums, &last, max);
    }
    sums.map(total)
}

#[inline(always)]
fn add_exponentials(sums: &mut [[f32; LANES]; 3], block: &[f32; LANES], max: f32) {
    let [exponentials, squares, weighted] = sums;
    for lane in 0..LANES {
        let distance = floor(block[lane] - max);
        let e = exp(distance);
        exponentials[lane] += e;
        squares[lane] += e * e;
        weighted[lane] += e * distance;
    }
}

/// The sum of the lanes, halves added to halves.
#[inline(always)]
fn total(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Raises `x` to -87, where `exp` is still a normal number; written to let a NaN through.
#[inline(always)]
pub(super) fn floor(x: f32) -> f32 {
    if x < -87.0 { -87.0 } else { x }
}

/// `exp(x)` for `x <= 0` with a relative error below 2e-7; below -87 it stays at `exp(-87)`, about 1.6e-38.
///
/// `x = n ln 2 + r` with `|r| <= ln 2 / 2`: the Taylor polynomial of degree 7 has a truncation error below 6e-9
/// there, and 2ⁿ is made from its bits.
#[inline(always)]
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
#[inline(always)]
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
    fn all_instruction_sets_give_the_same_bits() {
        for classes in [1, 15, 16, 17, 100, 300, 8142] {
            let logits: Vec<f32> = (0..classes).map(|k| ((k * 37 % 101) as f32).sin() * 9.0).collect();
            let bits = |sums: Option<RowSums>| {
                let RowSums { argmax, log_confidence, squares, entropy } = sums.unwrap();
                (argmax, [log_confidence, squares, entropy].map(f64::to_bits))
            };
            let plain = bits(SumsOfLogits(&logits).call());
            assert_eq!(bits(RowSums::of_logits(&logits)), plain, "{classes} classes");
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = pulp::x86::V3::try_new() {
                let found = pulp::Simd::vectorize(avx2, SumsOfLogits(&logits));
                assert_eq!(bits(found), plain, "{classes} classes");
            }
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
