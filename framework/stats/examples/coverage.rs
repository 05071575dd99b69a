//! How often do intervals cover the truth? Simulated experiments with known means.
//!
//! `cargo run --release -p balpoe-stats --example coverage` prints, for each kind of interval at 95 % and some
//! numbers of seeds, the share of simulated experiments in which it covers the true mean. With five seeds only the t
//! interval keeps its promise.

#![allow(clippy::print_stdout, reason = "an example prints")]

use balpoe_stats::statistics::{Averaging, ImageScores, Interval, Level, Resampling, Sample};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Where the values of an experiment come from.
#[derive(Clone, Copy)]
enum Population {
    /// Standard normal.
    Normal,
    /// Exponential with mean 1: skewed.
    Exponential,
}

impl Population {
    fn mean(self) -> f64 {
        match self {
            Self::Normal => 0.0,
            Self::Exponential => 1.0,
        }
    }

    fn draw(self, rng: &mut ChaCha8Rng) -> f64 {
        let radius = -2.0 * uniform(rng).ln();
        match self {
            Self::Normal => radius.sqrt() * (std::f64::consts::TAU * uniform(rng)).cos(),
            Self::Exponential => radius / 2.0,
        }
    }
}

/// In (0, 1].
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// An interval for the mean of a sample; the number seeds its resampling.
type Method = (&'static str, fn(&Sample, u64) -> Interval);

const METHODS: [Method; 4] = [
    ("t", |sample, _| sample.t_interval(Level::P95).expect("more than one value")),
    ("percentile", |sample, seed| {
        sample.bootstrap(Sample::mean, Resampling::new(1_000, seed)).percentile(Level::P95)
    }),
    ("BCa", |sample, seed| sample.bootstrap(Sample::mean, Resampling::new(1_000, seed)).bca(Level::P95)),
    ("over images", |sample, seed| {
        let one_class = vec![0; sample.n()];
        let scores = ImageScores::new(&[sample.values().to_vec()], &one_class).expect("finite scores");
        scores.image_bootstrap(Averaging::Images, Resampling::new(1_000, seed)).percentile(Level::P95)
    }),
];

/// The share of `experiments` with `n` values each in which the interval holds the true mean.
fn coverage(method: Method, population: Population, n: usize, experiments: u64) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(2023);
    let covered = (0..experiments).filter(|&experiment| {
        let values: Vec<f64> = (0..n).map(|_| population.draw(&mut rng)).collect();
        let sample = Sample::new(values).expect("finite values");
        (method.1)(&sample, experiment).contains(population.mean())
    });
    covered.count() as f64 / experiments as f64
}

fn main() {
    println!("share of 2,000 experiments in which the 95 % interval covers the mean");
    println!("{:12} {:>3} {:>7} {:>12}", "interval", "n", "normal", "exponential");
    for n in [3, 5, 10, 50] {
        for method in METHODS {
            let share = |population| coverage(method, population, n, 2_000);
            let (normal, exponential) = (share(Population::Normal), share(Population::Exponential));
            println!("{:12} {n:>3} {normal:>7.3} {exponential:>12.3}", method.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_cover_as_promised() {
        for (method, n) in [(0, 5), (0, 50), (1, 50), (2, 50), (3, 50)] {
            let share = coverage(METHODS[method], Population::Normal, n, 2_000);
            assert!((0.93..=0.97).contains(&share), "{} with n = {n} covers {share}", METHODS[method].0);
        }
    }

    #[test]
    fn the_percentile_bootstrap_of_five_seeds_is_too_narrow() {
        let share = coverage(METHODS[1], Population::Normal, 5, 2_000);
        assert!(share < 0.90, "{share}");
    }
}
