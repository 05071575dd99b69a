//! How confidences are put into bins.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::error::EvaluationError;

/// A rule that cuts [0, 1] into bins. Every bin is open below and closed above, `(low, high]`; the first holds 0 as
/// well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binning {
    /// Bins of equal width: bin `i` of `n` is `(i / n, (i + 1) / n]`.
    EqualWidth(NonZeroUsize),
    /// Bins of equal weight (adaptive): the upper end of bin `i` is the smallest confidence that has at least
    /// `(i + 1) / n` of the weight at or below it. Equal confidences are never parted, so ties make bins uneven or
    /// fewer instead of letting the order of the rows decide.
    EqualMass(NonZeroUsize),
}

impl Binning {
    /// Bins of equal width.
    ///
    /// # Errors
    /// When `bins` is 0.
    pub fn equal_width(bins: usize) -> Result<Self, EvaluationError> {
        at_least_one(bins).map(Self::EqualWidth)
    }

    /// Bins of equal weight.
    ///
    /// # Errors
    /// When `bins` is 0.
    pub fn equal_mass(bins: usize) -> Result<Self, EvaluationError> {
        at_least_one(bins).map(Self::EqualMass)
    }

    /// The number of bins asked for.
    pub fn bins(self) -> usize {
        match self {
            Self::EqualWidth(bins) | Self::EqualMass(bins) => bins.get(),
        }
    }
}

impl Default for Binning {
    /// 15 bins of equal width, as the field reports ECE.
    fn default() -> Self {
        Self::EqualWidth(NonZeroUsize::new(15).expect("15 is not 0"))
    }
}

fn at_least_one(bins: usize) -> Result<NonZeroUsize, EvaluationError> {
    NonZeroUsize::new(bins).ok_or(EvaluationError::Setting {
        what: "the number of bins",
        expected: "at least 1",
        found: 0.0,
    })
}

/// The equal-width bin of a value in [0, 1]; an edge belongs to the bin below it.
pub(super) fn equal_width_bin(value: f64, bins: usize) -> usize {
    let edge = |i: usize| i as f64 / bins as f64;
    let guess = (value * bins as f64).ceil() as usize;
    let bin = guess.clamp(1, bins) - 1;
    // The product may have rounded over an edge.
    if bin > 0 && value <= edge(bin) {
        bin - 1
    } else if bin + 1 < bins && value > edge(bin + 1) {
        bin + 1
    } else {
        bin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_belongs_to_the_bin_below_it() {
        for bins in 1..200 {
            for i in 1..=bins {
                let edge = i as f64 / bins as f64;
                assert_eq!(equal_width_bin(edge, bins), i - 1, "edge {i} of {bins}");
                assert_eq!(
                    equal_width_bin(edge.next_up(), bins),
                    i.min(bins - 1),
                    "above edge {i} of {bins}"
                );
            }
            assert_eq!(equal_width_bin(0.0, bins), 0);
        }
    }
}
