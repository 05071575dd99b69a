//! Reproducible randomness: one independent ChaCha stream per (seed, purpose, epoch, index).
//!
//! There is no global generator. What a stream yields never depends on threads, devices or the order in which other
//! streams are used, so a run that is interrupted and continued draws what an undisturbed run would have drawn. The
//! distributions are written out here because their draws are part of the promise: changing one is a breaking change,
//! held by golden values in the tests.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is used for. The numbers are part of the key and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Initial parameters; the index is the position of the parameter in the network.
    Initialisation = 1,
    /// The order of the images in an epoch.
    Sampling = 2,
    /// Augmentation; the index is the position in the epoch.
    Augmentation = 3,
    /// Mixing of batches; the index is the batch.
    Mixing = 4,
    /// dfdx devices handed to plugins; the index is the batch.
    Plugin = 5,
    /// Drawing a long-tailed subset or a validation split; the index is the class.
    Subset = 6,
    /// Making images of a procedural data set; the index is the image.
    Generation = 7,
    /// Resampling in statistics.
    Resampling = 8,
    /// Dividing test images into folds; the index is the class.
    CrossFitting = 9,
}

/// A stream of random numbers for one (seed, purpose, epoch, index).
#[derive(Clone, Debug)]
pub struct Stream {
    generator: ChaCha8Rng,
}

impl Stream {
    /// The stream of this key. Different keys give independent streams.
    pub fn new(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> Self {
        let mut key = [0; 32];
        for (bytes, part) in key.chunks_exact_mut(8).zip([seed, purpose as u64, epoch, index]) {
            bytes.copy_from_slice(&part.to_le_bytes());
        }
        Self { generator: ChaCha8Rng::from_seed(key) }
    }

    /// Uniform over all 64-bit words.
    pub fn word(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// Uniform in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in `[low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// `true` with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in `0..bound`, without bias. A bound of zero gives zero.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        if bound < 2 {
            return 0;
        }
        let zone = u64::MAX - u64::MAX % bound;
        loop {
            let word = self.word();
            if word < zone {
                return (word % bound) as usize;
            }
        }
    }

    /// Standard normal, by the polar method. The second deviate of each pair is dropped, so that the stream has no state
    /// beside the generator's.
    pub fn normal(&mut self) -> f64 {
        loop {
            let (u, v) = (self.uniform(-1.0, 1.0), self.uniform(-1.0, 1.0));
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * (-2.0 * s.ln() / s).sqrt();
            }
        }
    }

    /// Gamma with the given shape and scale one (Marsaglia and Tsang 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = self.unit().powf(1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Beta(a, b) for positive a and b: Jöhnk's method when both are at most one (as NumPy does), else two gammas.
    pub fn beta(&mut self, a: f64, b: f64) -> f64 {
        if a > 1.0 || b > 1.0 {
            let x = self.gamma(a);
            return x / (x + self.gamma(b));
        }
        loop {
            let (u, v) = (self.unit(), self.unit());
            let (x, y) = (u.powf(1.0 / a), v.powf(1.0 / b));
            if x + y > 1.0 {
                continue;
            }
            if x + y > 0.0 {
                return x / (x + y);
            }
            // Both powers underflowed: compare them in logarithms.
            let (x, y) = (u.ln() / a, v.ln() / b);
            let largest = x.max(y);
            let (x, y) = (x - largest, y - largest);
            return (x - (x.exp() + y.exp()).ln()).exp();
        }
    }

    /// Shuffles in place (Fisher and Yates, from the end).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// A uniformly random permutation of `0..n`.
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        self.shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(index: u64) -> Stream {
        Stream::new(1, Purpose::Mixing, 0, index)
    }

    #[test]
    fn draws_never_change() {
        // Made by this implementation when it was first written; the promise is that they stay.
        let mut s = stream(0);
        let drawn = [s.unit(), s.normal(), s.beta(0.4, 0.4), s.beta(2.0, 3.0), s.below(100) as f64];
        let text: Vec<String> = drawn.iter().map(|v| format!("{v:.12}")).collect();
        insta::assert_snapshot!(text.join(" "));
        insta::assert_snapshot!(format!("{:?}", s.permutation(8)));
    }

    #[test]
    fn every_part_of_the_key_matters() {
        let first = |seed, purpose, epoch, index| Stream::new(seed, purpose, epoch, index).word();
        let mut words = vec![
            first(1, Purpose::Mixing, 0, 0),
            first(2, Purpose::Mixing, 0, 0),
            first(1, Purpose::Sampling, 0, 0),
            first(1, Purpose::Mixing, 1, 0),
            first(1, Purpose::Mixing, 0, 1),
        ];
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 5);
    }

    #[test]
    fn moments_are_right() {
        let n = 20_000;
        let mut s = stream(1);
        for (a, b) in [(0.4, 0.4), (0.8, 0.8), (2.0, 5.0), (0.5, 3.0)] {
            let draws: Vec<f64> = (0..n).map(|_| s.beta(a, b)).collect();
            let mean = draws.iter().sum::<f64>() / n as f64;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
            let expected = a / (a + b);
            let spread = a * b / ((a + b).powi(2) * (a + b + 1.0));
            // Five standard errors of the mean; the variance to five per cent.
            assert!(
                (mean - expected).abs() < 5.0 * (spread / n as f64).sqrt(),
                "mean of Beta({a}, {b}): {mean}"
            );
            assert!((variance / spread - 1.0).abs() < 0.05, "variance of Beta({a}, {b}): {variance}");
        }
        let normal: Vec<f64> = (0..n).map(|_| s.normal()).collect();
        let mean = normal.iter().sum::<f64>() / n as f64;
        let variance = normal.iter().map(|x| x * x).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.036 && (variance - 1.0).abs() < 0.05);
    }

    #[test]
    fn below_is_uniform_and_bounded() {
        let mut s = stream(2);
        let mut counts = [0_u32; 7];
        for _ in 0..14_000 {
            counts[s.below(7)] += 1;
        }
        // Chi-square with 6 degrees of freedom: 22.5 is the 0.999 quantile.
        let chi: f64 = counts.iter().map(|&c| (f64::from(c) - 2000.0).powi(2) / 2000.0).sum();
        assert!(chi < 22.5, "{counts:?}");
        assert_eq!((s.below(0), s.below(1)), (0, 0));
    }
}
