//! Class weights by the effective number of samples (Cui et al., CVPR 2019, equation 2).

use balpoe_core::config::ConfigError;

/// `(1 - beta) / (1 - beta^n_c)`, rescaled to sum to the number of classes. A class without images gets the weight of one with
/// a single image.
pub(super) fn weights(beta: f64, class_counts: &[usize]) -> Vec<f32> {
    let weigh = |&count: &usize| (1.0 - beta) / (1.0 - beta.powf(count.max(1) as f64));
    let raw: Vec<f64> = class_counts.iter().map(weigh).collect();
    let scale = raw.len() as f64 / raw.iter().sum::<f64>();
    raw.iter().map(|weight| (weight * scale) as f32).collect()
}

/// Refuses what is no beta.
pub(super) fn check_beta(beta: f64) -> Result<(), ConfigError> {
    if (0.0..1.0).contains(&beta) {
        return Ok(());
    }
    Err(ConfigError::key("beta", format!("beta must be at least 0 and below 1, found {beta}")))
}

#[cfg(test)]
mod tests {
    /// Computed with the reference implementation.
    #[test]
    fn weights_are_those_of_the_reference() {
        let found = super::weights(0.9999, &[100, 10, 1]);
        for (found, expected) in found.into_iter().zip([0.027_158_7, 0.270_368_9, 2.702_472_4]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
