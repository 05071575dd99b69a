//! The check that settings which are probabilities share.

use balpoe_core::config::ConfigError;

/// Refuses what is no probability.
pub(super) fn check_probability(key: &'static str, value: f64) -> Result<(), ConfigError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::key(key, format!("a probability lies between 0 and 1, found {value}")))
}
