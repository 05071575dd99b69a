//! Many comparisons at once: adjusted p values, in the order of the originals.

use thiserror::Error;

/// A p value outside 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("p values must lie in 0..=1, found {p} at position {position}")]
pub struct PValueError {
    /// The position, counted from 0.
    pub position: usize,
    /// The value found there.
    pub p: f64,
}

/// Holm's adjusted p values: rejecting where one is at most α keeps the chance of any false rejection at α, whatever
/// the dependence between the tests (Holm 1979).
///
/// # Errors
/// When a value is no probability.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, PValueError> {
    let order = ascending(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, &position) in order.iter().enumerate() {
        largest = largest.max((p_values.len() - rank) as f64 * p_values[position]);
        adjusted[position] = largest.min(1.0);
    }
    Ok(adjusted)
}

/// Benjamini and Hochberg's adjusted p values: rejecting where one is at most q keeps the expected share of false
/// rejections at q for independent or positively dependent tests (1995).
///
/// # Errors
/// When a value is no probability.
pub fn benjamini_hochberg(p_values: &[f64]) -> Result<Vec<f64>, PValueError> {
    let order = ascending(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut smallest = 1.0_f64;
    for (rank, &position) in order.iter().enumerate().rev() {
        smallest = smallest.min(p_values.len() as f64 / (rank + 1) as f64 * p_values[position]);
        adjusted[position] = smallest;
    }
    Ok(adjusted)
}

/// The positions in ascending order of their p values.
fn ascending(p_values: &[f64]) -> Result<Vec<usize>, PValueError> {
    if let Some(position) = p_values.iter().position(|p| !(0.0..=1.0).contains(p)) {
        return Err(PValueError { position, p: p_values[position] });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    Ok(order)
}
