//! The standard normal distribution.

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::erf::erfc;

/// Φ(z).
pub(super) fn cdf(z: f64) -> f64 {
    0.5 * erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

/// Φ⁻¹(p).
pub(super) fn quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}
