//! Where resampling takes its randomness from.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// How often to resample, and from which seed: the same seed gives the same figures on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resampling {
    /// The number of resamples; 0 is taken as 1.
    pub repeats: usize,
    /// The seed of the `ChaCha8` stream.
    pub seed: u64,
}

impl Resampling {
    /// `repeats` resamples from the stream of `seed`.
    pub fn new(repeats: usize, seed: u64) -> Self {
        Self { repeats, seed }
    }

    pub(crate) fn repeats(self) -> usize {
        self.repeats.max(1)
    }

    pub(crate) fn draws(self) -> Draws {
        Draws(ChaCha8Rng::seed_from_u64(self.seed))
    }
}

impl Default for Resampling {
    /// 10,000 resamples from seed 0.
    fn default() -> Self {
        Self { repeats: 10_000, seed: 0 }
    }
}

/// A stream of random draws.
#[derive(Debug, Clone)]
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// A uniform integer in `0..bound`, unbiased (Lemire 2019); `bound` must be positive and below 2³².
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        let mut product = u64::from(self.0.next_u32()) * bound;
        if (product & 0xffff_ffff) < bound {
            let threshold = (1_u64 << 32) % bound;
            while (product & 0xffff_ffff) < threshold {
                product = u64::from(self.0.next_u32()) * bound;
            }
        }
        (product >> 32) as usize
    }

    /// Fills `targets` with draws from `values`, with replacement.
    pub(crate) fn with_replacement(&mut self, values: &[f64], targets: &mut [f64]) {
        for target in targets {
            *target = values[self.below(values.len())];
        }
    }

    /// 64 fair coins.
    pub(crate) fn coins(&mut self) -> u64 {
        self.0.next_u64()
    }
}
