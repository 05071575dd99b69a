//! From values to places on an axis, and the round values that an axis names.

/// Where values lie between the two ends of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// Equal differences take equal room.
    Linear { low: f64, high: f64 },
    /// Equal ratios take equal room; both ends are positive.
    Log { low: f64, high: f64 },
}

impl Scale {
    /// A linear scale from one round value to another that holds all these values, with 0 to 1 where there are none.
    pub(super) fn around(values: impl Iterator<Item = f64>) -> Self {
        let Some((low, high)) = extent(values) else { return Self::Linear { low: 0.0, high: 1.0 } };
        // A single value gets room on both sides.
        let margin = if high > low { 0.0 } else { (low.abs() * 0.1).max(0.5) };
        let (low, high) = (low - margin, high + margin);
        let step = round_step(high - low, 5);
        // What rounding adds to a value on a round place does not push the end to the next one.
        Self::Linear { low: (low / step + 1e-9).floor() * step, high: (high / step - 1e-9).ceil() * step }
    }

    /// The same, beginning at 0.
    pub(super) fn from_zero(values: impl Iterator<Item = f64>) -> Self {
        match extent(values.map(|value| value.max(0.0))) {
            Some((_, high)) if high > 0.0 => Self::around([0.0, high].into_iter()),
            _ => Self::Linear { low: 0.0, high: 1.0 },
        }
    }

    /// A logarithmic scale that holds all these positive values with a little room on both sides.
    pub(super) fn log_around(values: impl Iterator<Item = f64>) -> Self {
        match extent(values.filter(|&value| value > 0.0)) {
            Some((low, high)) if high > low => {
                let room = (high / low).powf(0.04);
                Self::Log { low: low / room, high: high * room }
            }
            Some((value, _)) => Self::Log { low: value / 2.0, high: value * 2.0 },
            None => Self::Log { low: 1.0, high: 10.0 },
        }
    }

    /// The place of a value: 0 at the low end, 1 at the high end; values beyond are drawn at the end.
    pub(super) fn place(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { low, high } => (value - low) / (high - low),
            Self::Log { low, high } => (value / low).ln() / (high / low).ln(),
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Round values on the scale, about as many as wanted, with their names.
    pub(super) fn ticks(self, wanted: usize) -> Vec<(f64, String)> {
        match self {
            Self::Linear { low, high } => linear_ticks(low, high, round_step(high - low, wanted)),
            Self::Log { low, high } => {
                let ticks = |mantissas: &[f64]| -> Vec<(f64, String)> {
                    let decades = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
                    decades
                        .flat_map(|decade| mantissas.iter().map(move |m| m * 10_f64.powi(decade)))
                        .filter(|value| (low..=high).contains(value))
                        .map(|value| (value, number(value, value)))
                        .collect()
                };
                let candidates = [&[1.0, 2.0, 5.0][..], &[1.0]].map(ticks);
                let [fine, coarse] = candidates;
                if fine.len() <= wanted.max(3) + 2 || coarse.len() < 2 { fine } else { coarse }
            }
        }
    }
}

/// The least and the largest of the values that are numbers.
fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |extent, value| match extent {
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
        None => Some((value, value)),
    })
}

/// 1, 2 or 5 times a power of ten, so that `wanted` steps are about as long as `range`.
fn round_step(range: f64, wanted: usize) -> f64 {
    let rough = range / wanted.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * 0.999);
    let step = step.unwrap_or(10.0) * power;
    if step.is_finite() && step > 0.0 { step } else { 1.0 }
}

fn linear_ticks(low: f64, high: f64, step: f64) -> Vec<(f64, String)> {
    let first = (low / step - 1e-9).ceil();
    let last = (high / step + 1e-9).floor();
    let count = if last >= first { (last - first).min(99.0) as usize + 1 } else { 0 };
    (0..count).map(|i| (first + i as f64) * step).map(|value| (value, number(value, step))).collect()
}

/// A value with as many decimals as differences of `step` need.
fn number(value: f64, step: f64) -> String {
    let decimals = (-step.abs().log10().floor()).max(0.0);
    if decimals > 5.0 || value.abs() >= 1e6 {
        return format!("{value:e}").chars().take(8).collect();
    }
    let written = format!("{value:.*}", decimals as usize);
    if written.trim_start_matches(['-', '0', '.']).is_empty() { "0".to_owned() } else { written }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ticks: &[(f64, String)]) -> Vec<&str> {
        ticks.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        let scale = Scale::around([31.2, 64.9].into_iter());
        assert_eq!(scale, Scale::Linear { low: 30.0, high: 70.0 });
        assert_eq!(names(&scale.ticks(5)), ["30", "40", "50", "60", "70"]);
        assert_eq!(
            names(&Scale::Linear { low: 0.0, high: 0.05 }.ticks(5)),
            ["0", "0.01", "0.02", "0.03", "0.04", "0.05"]
        );
    }

    #[test]
    fn rounding_pushes_no_end_to_the_next_round_value() {
        assert_eq!(Scale::from_zero([0.1_f64.next_up()].into_iter()), Scale::from_zero([0.1].into_iter()));
    }

    #[test]
    fn counts_are_named_at_powers() {
        assert_eq!(
            names(&Scale::log_around([5.0, 500.0].into_iter()).ticks(6)),
            ["5", "10", "20", "50", "100", "200", "500"]
        );
        assert_eq!(
            names(&Scale::log_around([1.0, 1e5].into_iter()).ticks(6)),
            ["1", "10", "100", "1000", "10000", "100000"]
        );
    }

    #[test]
    fn nothing_and_a_single_value_have_a_scale() {
        for scale in [
            Scale::around(std::iter::empty()),
            Scale::around([f64::NAN].into_iter()),
            Scale::around([3.0, 3.0].into_iter()),
            Scale::from_zero([0.0].into_iter()),
            Scale::log_around([0.0].into_iter()),
            Scale::log_around([7.0].into_iter()),
        ] {
            assert!((0.0..=1.0).contains(&scale.place(3.0)));
            assert!(!scale.ticks(5).is_empty());
        }
    }
}
