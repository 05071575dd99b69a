//! Logits in two bytes each, for predictions that are large.
//!
//! A row is kept as its largest logit, a step, and how many steps each logit lies below the largest one. The class with the largest
//! logit is always the same, and so the accuracy of every expert. With δ the step, no difference of two logits changes by more than
//! 2 δ, so that no log-probability does, and no expert's log loss; the same holds of the mean of experts' logits with their mean step.

/// Steps below the largest logit that 16 bits can count.
const STEPS: f32 = 65_535.0;

/// How far below the largest logit of its row one is told from still smaller ones. A class that far below has a probability under
/// 10^-55; without a limit, one logit of −10⁹ that rules a class out would make the steps of the others useless.
const RANGE: f32 = 128.0;

/// How logits are kept in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are, in 32 bits.
    Exact,
    /// In 16 bits, as steps below the largest of their row.
    Compact,
}

impl Form {
    /// Logits in a file that are more are kept compactly: a gibibyte as they are. That is nothing but a matter of shapes, so that
    /// results do not depend on who computes them where.
    const MOST_EXACT: usize = 1 << 28;

    /// The form of so many logits.
    pub(crate) fn of(experts: usize, samples: usize, classes: usize) -> Self {
        let logits = experts.saturating_mul(samples).saturating_mul(classes);
        if logits > Self::MOST_EXACT { Self::Compact } else { Self::Exact }
    }
}

/// Where the steps of a row begin, and how wide they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) largest: f32,
    pub(super) step: f32,
}

impl Scale {
    /// The scale of a row. A row with something that is no number, or infinitely large, has no largest logit; it is as useless when it
    /// is read, and refused then.
    pub(super) fn of(row: &[f32]) -> Self {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if largest == f32::INFINITY || row.iter().any(|value| value.is_nan()) {
            return Self { largest: f32::NAN, step: 0.0 };
        }
        if largest == f32::NEG_INFINITY {
            return Self { largest, step: 0.0 };
        }
        let smallest = row.iter().copied().fold(largest, f32::min).max(largest - RANGE);
        Self { largest, step: (largest - smallest) / STEPS }
    }

    /// Appends a row in steps, two bytes each. Only the largest logit is no step below itself.
    pub(super) fn encode(self, row: &[f32], bytes: &mut Vec<u8>) {
        for &value in row {
            let steps = ((self.largest - value) / self.step).round().clamp(1.0, STEPS);
            let steps = if value == self.largest { 0 } else { steps as u16 };
            bytes.extend_from_slice(&steps.to_le_bytes());
        }
    }

    /// The row that [`Self::encode`] wrote, but for at most one step each.
    pub(super) fn decode(self, bytes: &[u8], row: &mut [f32]) {
        for (value, bytes) in row.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *value = self.largest - f32::from(u16::from_le_bytes(*bytes)) * self.step;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn kept(row: &[f32]) -> (Scale, Vec<f32>) {
        let scale = Scale::of(row);
        let (mut bytes, mut read) = (Vec::new(), vec![0.0; row.len()]);
        scale.encode(row, &mut bytes);
        scale.decode(&bytes, &mut read);
        (scale, read)
    }

    /// Places of the largest values.
    fn largest(row: &[f32]) -> Vec<usize> {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        (0..row.len()).filter(|&place| row[place] == most).collect()
    }

    proptest! {
        #[test]
        fn no_logit_is_off_by_more_than_a_step(
            width in prop::sample::select(vec![1e-6_f32, 0.1, 10.0, 60.0]),
            middle in -50.0_f32..50.0,
            shares in vec(-1.0_f32..1.0, 2..300),
        ) {
            let row: Vec<f32> = shares.iter().map(|share| middle + width * share).collect();
            let (scale, read) = kept(&row);
            prop_assert!(scale.step <= RANGE / STEPS);
            // What f32 itself rounds comes on top.
            let bound = scale.step * 1.001 + scale.largest.abs() * f32::EPSILON;
            for (&value, &read) in row.iter().zip(&read) {
                prop_assert!((value - read).abs() <= bound, "{value} became {read}, with {scale:?}");
            }
            prop_assert_eq!(largest(&row), largest(&read));
        }
    }

    #[test]
    fn ruled_out_classes_do_not_widen_the_steps() {
        let row = [3.0, 2.5, -1e9, f32::NEG_INFINITY];
        let (scale, read) = kept(&row);
        assert!(scale.step < 0.002);
        assert!((read[1] - 2.5).abs() <= scale.step);
        assert!((read[2] + 125.0).abs() < 0.01 && read[2] == read[3], "{read:?}");
    }

    #[test]
    fn what_is_no_prediction_stays_none() {
        for row in [[1.0, f32::NAN], [f32::INFINITY, 0.0]] {
            assert!(kept(&row).1.iter().all(|value| value.is_nan()));
        }
        assert_eq!(kept(&[f32::NEG_INFINITY; 2]).1, [f32::NEG_INFINITY; 2]);
        assert_eq!(kept(&[7.25; 3]).1, [7.25; 3]);
    }

    #[test]
    fn only_what_is_large_is_kept_compactly() {
        assert_eq!(Form::of(3, 24_426, 8_142), Form::Compact);
        assert_eq!(Form::of(3, 50_000, 1_000), Form::Exact);
    }
}
