//! Calibration errors from kernel density estimates instead of bins.
//!
//! Both work on a fine grid over [0, 1]: every row is shared linearly between the two nodes beside its confidence,
//! and the nodes are smoothed with a kernel that is reflected at both ends, so that no mass leaves the interval.

use super::evaluation::Evaluation;

/// The number of grid cells.
const CELLS: usize = 2048;
/// A pair of mirrors at the ends repeats the grid with this period.
const PERIOD: usize = 2 * CELLS;
/// A multiple of the period beyond the reach of any kernel: `i + FAR - distance` stands for `i - distance`.
const FAR: usize = 3 * PERIOD;

impl Evaluation<'_> {
    /// The KDE-ECE of the predicted class (Zhang et al. 2020): `∫ |z - r(z)| f(z) dz`, with the density `f` of
    /// confidences and the accuracy `r(z)` at confidence `z`, both estimated with the reflected triweight kernel.
    ///
    /// `bandwidth` is the standard deviation of the kernel, in 1/2048..=1; `None` takes `sd (2 n)^(-1/5)` with the
    /// standard deviation of the confidences and the effective number of rows.
    pub fn kde_ece(&self, bandwidth: Option<f64>) -> f64 {
        let grid = Grid::of(self);
        let bandwidth = bandwidth.unwrap_or_else(|| self.reference_bandwidth());
        // A triweight kernel of half-width 1 has standard deviation 1/3.
        let reach = 3.0 * bandwidth.clamp(1.0 / CELLS as f64, 1.0);
        let kernel = Kernel::new(reach, |u| (1.0 - (u / reach).powi(2)).max(0.0).powi(3));
        let (density, hits) = (kernel.smooth(&grid.weight), kernel.smooth(&grid.hits));
        let gap = |i: usize| (node(i) * density[i] - hits[i]).abs();
        integral(gap) / integral(|i| density[i])
    }

    /// The smooth ECE of the predicted class (Błasiok and Nakkiran 2024): the integral of the absolute smoothed
    /// residual `accuracy - confidence` under the reflected Gaussian kernel, at the bandwidth that equals the error
    /// itself.
    ///
    /// It needs no choice of bins or bandwidth, and small changes of the predictions change it little.
    pub fn smooth_ece(&self) -> f64 {
        let grid = Grid::of(self);
        let total: f64 = grid.weight.iter().sum();
        let residual: Vec<f64> =
            grid.hits.iter().zip(&grid.confidence).map(|(h, c)| (h - c) / total).collect();
        let at = |bandwidth: f64| {
            let kernel = Kernel::new(5.0 * bandwidth, |u| (-0.5 * (u / bandwidth).powi(2)).exp());
            let smoothed = kernel.smooth(&residual);
            integral(|i| smoothed[i].abs()) * CELLS as f64
        };
        // The error falls with the bandwidth, so the two meet once.
        let (mut low, mut high) = (1.0 / CELLS as f64, 1.0);
        if at(low) <= low {
            return at(low);
        }
        for _ in 0..24 {
            let middle = f64::midpoint(low, high);
            if at(middle) > middle { low = middle } else { high = middle }
        }
        high
    }

    fn reference_bandwidth(&self) -> f64 {
        let mean = self.mean(|outcome| outcome.confidence);
        let variance = self.mean(|outcome| (outcome.confidence - mean).powi(2));
        let squares: f64 = self.rows().map(|(_, _, weight)| weight * weight).sum();
        let effective_rows = self.total_weight().powi(2) / squares;
        variance.sqrt() * (2.0 * effective_rows).powf(-0.2)
    }
}

/// Sums of the rows that lie nearest to each node.
struct Grid {
    weight: Vec<f64>,
    hits: Vec<f64>,
    confidence: Vec<f64>,
}

impl Grid {
    fn of(evaluation: &Evaluation<'_>) -> Self {
        let empty = vec![0.0; CELLS + 1];
        let mut grid = Self { weight: empty.clone(), hits: empty.clone(), confidence: empty };
        for (_, outcome, weight) in evaluation.rows() {
            let position = outcome.confidence * CELLS as f64;
            let left = (position as usize).min(CELLS - 1);
            let share = position - left as f64;
            for (node, part) in [(left, weight * (1.0 - share)), (left + 1, weight * share)] {
                grid.weight[node] += part;
                grid.hits[node] += if outcome.correct() { part } else { 0.0 };
                grid.confidence[node] += part * outcome.confidence;
            }
        }
        grid
    }
}

/// One half of a symmetric kernel at the grid's nodes, scaled so that the whole sums to 1.
struct Kernel(Vec<f64>);

impl Kernel {
    fn new(reach: f64, shape: impl Fn(f64) -> f64) -> Self {
        let steps = (reach * CELLS as f64).ceil() as usize;
        let half: Vec<f64> = (0..=steps).map(|i| shape(i as f64 / CELLS as f64)).collect();
        let sum = half[0] + 2.0 * half[1..].iter().sum::<f64>();
        Self(half.into_iter().map(|value| value / sum).collect())
    }

    /// Spreads the mass of every node; what would fall outside is reflected at the ends, as often as it takes.
    fn smooth(&self, masses: &[f64]) -> Vec<f64> {
        let mut smoothed = vec![0.0; masses.len()];
        for (i, &mass) in masses.iter().enumerate().filter(|(_, mass)| **mass != 0.0) {
            smoothed[i] += mass * self.0[0];
            for (distance, &value) in self.0.iter().enumerate().skip(1) {
                smoothed[reflect(i + distance)] += mass * value;
                smoothed[reflect(i + FAR - distance)] += mass * value;
            }
        }
        // An end node stands for half a cell, and what arrives there from within is reflected onto itself.
        smoothed[0] *= 2.0;
        smoothed[CELLS] *= 2.0;
        smoothed
    }
}

/// The node inside the grid that a node beyond its upper end is mirrored onto; mirrors at both ends make it periodic.
fn reflect(node: usize) -> usize {
    let node = node % PERIOD;
    if node > CELLS { PERIOD - node } else { node }
}

fn node(i: usize) -> f64 {
    i as f64 / CELLS as f64
}

/// The trapezoid rule over the grid.
fn integral(value: impl Fn(usize) -> f64) -> f64 {
    let inner: f64 = (1..CELLS).map(&value).sum();
    (inner + 0.5 * (value(0) + value(CELLS))) / CELLS as f64
}
