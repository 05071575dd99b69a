//! Figures that others have published, and whether ours reproduce them.

use serde::{Deserialize, Serialize};

use super::sample::Sample;

/// A published mean over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation over seeds, where it was given.
    pub sd: Option<f64>,
    /// The number of seeds, at least 1.
    pub n: usize,
}

/// How far our mean lies from a published one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reproduction {
    /// Our mean minus the published one.
    pub difference: f64,
    /// The largest modulus of the difference that counts as reproduced: `3 sd √(1/n + 1/m)`.
    pub tolerance: f64,
}

impl Reproduction {
    /// Whether the difference is within the tolerance.
    pub fn holds(&self) -> bool {
        self.difference.abs() <= self.tolerance
    }
}

impl Sample {
    /// Compares our mean with a published one; `sd` is pooled over the deviations that exist, by their degrees of freedom.
    ///
    /// `None` when neither has a deviation, or the published `n` is 0.
    pub fn reproduction(&self, published: &Published) -> Option<Reproduction> {
        let (n, m) = (self.n() as f64, published.n as f64);
        let ours = self.sd().map(|sd| (sd, n - 1.0));
        // A deviation that was published without its n still says something; it counts as one degree of freedom then.
        let theirs = published.sd.map(|sd| (sd, (m - 1.0).max(1.0)));
        let (squares, degrees) = [ours, theirs]
            .into_iter()
            .flatten()
            .fold((0.0, 0.0), |(squares, degrees), (sd, df)| (squares + df * sd * sd, degrees + df));
        (degrees > 0.0 && m > 0.0).then(|| Reproduction {
            difference: self.mean() - published.mean,
            tolerance: 3.0 * (squares / degrees * (1.0 / n + 1.0 / m)).sqrt(),
        })
    }
}
