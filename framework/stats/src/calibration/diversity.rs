//! How much the experts of an ensemble differ.

use serde::{Deserialize, Serialize};

use super::error::{EvaluationError, check_length};
use super::evaluation::Evaluation;
use super::predictions::Predictions;
use super::softmax::{exp, ln};

/// How much experts differ, on average over the rows. Matrices are `[experts][experts]`, symmetric, with a zero
/// diagonal.
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
    /// Each expert's share of it: the Kullback-Leibler divergence of the expert from the mean of all, in nats. Their
    /// mean is the mutual information.
    pub divergence_from_mean: Vec<f64>,
    /// The mean entropy of each expert in nats.
    pub entropy: Vec<f64>,
}

impl Evaluation<'_> {
    /// The diversity of experts on these rows; every expert has the rows and classes of the outcomes.
    ///
    /// It takes one pass and memory for one row per expert. Logarithms and exponentials are `f32` with a relative
    /// error of a few parts in 10⁷.
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
        let mut rows: Vec<Row> = experts.iter().map(|_| Row::new(self.classes())).collect();
        let mut mean = vec![0.0_f32; self.classes()];
        for (row, _, weight) in self.rows() {
            mean.fill(0.0);
            for (i, (expert, distribution)) in experts.iter().zip(&mut rows).enumerate() {
                sums.entropy[i] += weight * distribution.read(expert, row)?;
                for (mean, probability) in mean.iter_mut().zip(&distribution.probabilities) {
                    *mean += probability / count as f32;
                }
            }
            for mean in &mut mean {
                *mean = ln(*mean);
            }
            for (i, a) in rows.iter().enumerate() {
                sums.divergence_from_mean[i] += weight * a.divergence(&mean);
                for (j, b) in rows[..i].iter().enumerate() {
                    sums.disagreement[i][j] += if a.predicted == b.predicted { 0.0 } else { weight };
                    sums.pairwise_information[i][j] += weight * a.jensen_shannon(b);
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

/// One expert's distribution over the classes for one row.
struct Row {
    predicted: usize,
    probabilities: Vec<f32>,
    logs: Vec<f32>,
}

impl Row {
    fn new(classes: usize) -> Self {
        Self { predicted: 0, probabilities: vec![0.0; classes], logs: vec![0.0; classes] }
    }

    /// Reads the row of an expert and returns its entropy.
    fn read(&mut self, expert: &Predictions<'_>, row: usize) -> Result<f64, EvaluationError> {
        let sums = expert.read_log_probabilities(row, &mut self.logs)?;
        for (probability, &log) in self.probabilities.iter_mut().zip(&self.logs) {
            *probability = exp(log);
        }
        self.predicted = sums.argmax;
        Ok(sums.entropy)
    }

    /// `Σ p ln (p / q)` with the logarithms of `q`.
    fn divergence(&self, q_logs: &[f32]) -> f64 {
        let rows = [&self.probabilities, &self.logs, q_logs];
        sum_over(rows, |[p, log_p, log_q]| p * (log_p - log_q)).max(0.0)
    }

    /// The mean divergence of two distributions from their midpoint.
    fn jensen_shannon(&self, other: &Self) -> f64 {
        let rows = [&self.probabilities[..], &self.logs, &other.probabilities, &other.logs];
        let sum = sum_over(rows, |[p, log_p, q, log_q]| {
            let log_middle = ln(0.5 * (p + q));
            0.5 * (p * (log_p - log_middle) + q * (log_q - log_middle))
        });
        sum.max(0.0)
    }
}

/// Sums `f32` terms over short stretches and the stretches in `f64`. All rows have the same length.
fn sum_over<const ROWS: usize>(rows: [&[f32]; ROWS], term: impl Fn([f32; ROWS]) -> f32) -> f64 {
    const LANES: usize = 8;
    const STRETCH: usize = 64;
    let stretches = rows.map(|row| row.as_chunks::<STRETCH>());
    let mut sum = 0.0;
    for stretch in 0..stretches[0].0.len() {
        let rows = stretches.map(|(whole, _)| &whole[stretch]);
        let mut lanes = [0.0_f32; LANES];
        for block in (0..STRETCH).step_by(LANES) {
            for (lane, sum) in lanes.iter_mut().enumerate() {
                *sum += term(rows.map(|row| row[block + lane]));
            }
        }
        sum += f64::from(lanes.iter().sum::<f32>());
    }
    let rest = stretches.map(|(_, rest)| rest);
    sum + (0..rest[0].len()).map(|i| f64::from(term(rest.map(|row| row[i])))).sum::<f64>()
}
