//! How much the experts of an ensemble differ.

use serde::{Deserialize, Serialize};

use super::class_reliability::probabilities_of_row;
use super::error::{EvaluationError, check_length};
use super::evaluation::Evaluation;
use super::predictions::Predictions;
use super::softmax::ln;

/// How much experts differ, on average over the rows. Matrices are `[experts][experts]`, symmetric, with a zero diagonal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diversity {
    /// The share of rows on which two experts predict different classes.
    pub disagreement: Vec<Vec<f64>>,
    /// The mutual information between the prediction and which of two experts made it, in nats: the Jensen-Shannon
    /// divergence of the two, in 0..=ln 2.
    pub pairwise_information: Vec<Vec<f64>>,
    /// The mutual information between the prediction and which of all experts made it, in nats: the entropy of the mean
    /// probabilities minus the experts' mean entropy (Houlsby et al. 2011, Lakshminarayanan et al. 2017).
    pub mutual_information: f64,
    /// Each expert's share of it: the Kullback-Leibler divergence of the expert from the mean of all, in nats. Their mean is
    /// the mutual information.
    pub divergence_from_mean: Vec<f64>,
    /// The mean entropy of each expert in nats.
    pub entropy: Vec<f64>,
}

impl Evaluation<'_> {
    /// The diversity of experts on these rows; every expert has the rows and classes of the outcomes.
    ///
    /// It takes one pass and memory for one row per expert. Logarithms and exponentials are `f32` with a relative error of a few
    /// parts in 10⁷.
    ///
    /// # Errors
    /// When an expert has other rows or classes, or a row of it holds no distribution.
    pub fn diversity(&self, experts: &[Predictions<'_>]) -> Result<Diversity, EvaluationError> {
        for expert in experts {
            check_length("an expert", "row", self.outcomes().rows().len(), expert.rows())?;
            check_length("an expert", "class", self.classes(), expert.classes())?;
        }
        let count = experts.len();
        let mut sums = Diversity::zero(count);
        let mut probabilities = vec![vec![0.0_f32; self.classes()]; count];
        let mut predicted = vec![0_usize; count];
        let mut mean = vec![0.0_f32; self.classes()];
        for (row, _, weight) in self.rows() {
            mean.fill(0.0);
            for (i, expert) in experts.iter().enumerate() {
                probabilities_of_row(expert, row, &mut probabilities[i])?;
                predicted[i] = super::softmax::first_largest(expert.row(row)).map_or(0, |(class, _)| class);
                for (mean, probability) in mean.iter_mut().zip(&probabilities[i]) {
                    *mean += probability / count as f32;
                }
                sums.entropy[i] += weight * entropy(&probabilities[i]);
            }
            for i in 0..count {
                sums.divergence_from_mean[i] += weight * divergence(&probabilities[i], &mean);
                for j in 0..i {
                    let differ = f64::from(u8::from(predicted[i] != predicted[j]));
                    sums.disagreement[i][j] += weight * differ;
                    sums.pairwise_information[i][j] +=
                        weight * jensen_shannon(&probabilities[i], &probabilities[j]);
                }
            }
        }
        sums.finish(self.total_weight());
        Ok(sums)
    }
}

impl Diversity {
    fn zero(experts: usize) -> Self {
        let matrix = vec![vec![0.0; experts]; experts];
        Self {
            disagreement: matrix.clone(),
            pairwise_information: matrix,
            mutual_information: 0.0,
            divergence_from_mean: vec![0.0; experts],
            entropy: vec![0.0; experts],
        }
    }

    /// Turns sums, of which the matrices hold the lower triangle, into means.
    fn finish(&mut self, total_weight: f64) {
        for values in [&mut self.divergence_from_mean, &mut self.entropy] {
            for value in values {
                *value /= total_weight;
            }
        }
        let experts = self.entropy.len();
        self.mutual_information = self.divergence_from_mean.iter().sum::<f64>() / experts.max(1) as f64;
        for matrix in [&mut self.disagreement, &mut self.pairwise_information] {
            for (i, j) in (0..experts).flat_map(|i| (0..i).map(move |j| (i, j))) {
                matrix[i][j] /= total_weight;
                matrix[j][i] = matrix[i][j];
            }
        }
    }

    /// The mean disagreement over all pairs of experts; 0 with fewer than two.
    pub fn mean_disagreement(&self) -> f64 {
        let experts = self.disagreement.len();
        let pairs = experts * experts.saturating_sub(1);
        self.disagreement.iter().flatten().sum::<f64>() / pairs.max(1) as f64
    }
}

/// `-Σ p ln p`.
fn entropy(p: &[f32]) -> f64 {
    -sum_over(p, p, |p, _| p * ln(p))
}

/// `Σ p ln (p / q)`, where `q` is positive wherever `p` is.
fn divergence(p: &[f32], q: &[f32]) -> f64 {
    sum_over(p, q, |p, q| p * (ln(p) - ln(q))).max(0.0)
}

/// The mean divergence of two distributions from their midpoint.
fn jensen_shannon(p: &[f32], q: &[f32]) -> f64 {
    let sum = sum_over(p, q, |p, q| {
        let middle = ln(0.5 * (p + q));
        0.5 * (p * (ln(p) - middle) + q * (ln(q) - middle))
    });
    sum.max(0.0)
}

/// Sums `f32` terms over short stretches and the stretches in `f64`.
fn sum_over(p: &[f32], q: &[f32], term: impl Fn(f32, f32) -> f32) -> f64 {
    let stretches = p.chunks(64).zip(q.chunks(64));
    let sums = stretches.map(|(p, q)| {
        let mut lanes = [0.0_f32; 8];
        let ((p, p_rest), (q, q_rest)) = (p.as_chunks::<8>(), q.as_chunks::<8>());
        for (p, q) in p.iter().zip(q) {
            for ((lane, &p), &q) in lanes.iter_mut().zip(p).zip(q) {
                *lane += term(p, q);
            }
        }
        for ((lane, &p), &q) in lanes.iter_mut().zip(p_rest).zip(q_rest) {
            *lane += term(p, q);
        }
        f64::from(lanes.iter().sum::<f32>())
    });
    sums.sum()
}
