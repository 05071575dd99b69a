//! Gradients against differences of values.

use balpoe_core::random::{Purpose, Stream};

/// Random directions that are tried.
const DIRECTIONS: u64 = 6;

/// How far a gradient is from what the values of a function say, relative to the gradient's size.
///
/// In a few random directions with entries ±1, the directional derivative is taken from central differences, extrapolated from
/// two step sizes so that steps may be large enough for `f32`. A right gradient gives about 1e-3 or less; a wrong sign or
/// factor gives one.
pub fn gradient_gap(function: impl Fn(&[f32]) -> f64, at: &[f32], gradient: &[f32]) -> f64 {
    let size = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
    let largest = at.iter().fold(1.0_f32, |largest, &x| largest.max(x.abs()));
    let step = f64::from(largest) / 64.0;
    let mut worst = 0.0_f64;
    for direction in 0..DIRECTIONS {
        let mut stream = Stream::new(0, Purpose::Resampling, 0, direction);
        let signs: Vec<f64> = at.iter().map(|_| if stream.chance(0.5) { 1.0 } else { -1.0 }).collect();
        let moved = |length: f64| -> Vec<f32> {
            at.iter().zip(&signs).map(|(&x, sign)| (f64::from(x) + length * sign) as f32).collect()
        };
        let slope = |length: f64| (function(&moved(length)) - function(&moved(-length))) / (2.0 * length);
        let expected = (4.0 * slope(step / 2.0) - slope(step)) / 3.0;
        let found: f64 = gradient.iter().zip(&signs).map(|(&g, sign)| f64::from(g) * sign).sum();
        worst = worst.max((found - expected).abs() / size.max(1e-3));
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(x: &[f32]) -> f64 {
        x.iter().map(|&x| f64::from(x).sin() * f64::from(x)).sum()
    }

    fn gradient(x: &[f32]) -> Vec<f32> {
        x.iter().map(|&x| x.cos() * x + x.sin()).collect()
    }

    #[test]
    fn right_gradients_pass_and_wrong_ones_do_not() {
        let x: Vec<f32> = (0..20).map(|i| (i as f32 * 0.7).sin()).collect();
        let right = gradient(&x);
        assert!(gradient_gap(value, &x, &right) < 1e-4);
        let mut wrong = right.clone();
        wrong[7] = -wrong[7];
        assert!(gradient_gap(value, &x, &wrong) > 0.05);
        let scaled: Vec<f32> = right.iter().map(|g| g * 1.05).collect();
        assert!(gradient_gap(value, &x, &scaled) > 0.01);
    }
}
