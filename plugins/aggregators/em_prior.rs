//! A test prior estimated by expectation maximisation.

use balpoe_core::components::{Aggregation, Aggregator, ComponentError, Knowledge};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shifted::{Shifted, TrainedFor, unlabelled_mean};

/// `mean_e z_e + ln q - ln p`, with a test prior q estimated from the predictions themselves: it is repeated that q is the
/// mean of the posteriors `softmax(z + ln q - ln p)`, each time with the last q, from q = p.
///
/// With few images a rare class's estimate can come out as zero, and its images can then not be recognised at all; imagined
/// images of every class prevent that.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EmPrior {
    /// The prior that the mean of logits is made for: "uniform", as BalPoE's; "training", as plain cross-entropy's.
    pub trained_for: TrainedFor,
    /// Most repetitions; it ends before when q changes by less than 10^-6 in all (sum of absolute differences).
    pub iterations: usize,
    /// Imagined images of each class that q is estimated with; 0 is the paper's estimate of maximum likelihood.
    pub pseudo_count: f64,
}

impl Default for EmPrior {
    fn default() -> Self {
        Self { trained_for: TrainedFor::Uniform, iterations: 1000, pseudo_count: 1.0 }
    }
}

impl Component for EmPrior {
    fn check(&self) -> Result<(), ConfigError> {
        if self.iterations == 0 {
            return Err(ConfigError::key("iterations", "iterations must be at least 1, found 0"));
        }
        if !(self.pseudo_count.is_finite() && self.pseudo_count >= 0.0) {
            let message = format!("pseudo_count must be at least 0, found {}", self.pseudo_count);
            return Err(ConfigError::key("pseudo_count", message));
        }
        Ok(())
    }
}

impl Aggregator for EmPrior {
    fn prepare(&self, knowledge: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError> {
        let classes = knowledge.unlabelled.classes();
        let mut likelihoods = unlabelled_mean(&knowledge)?;
        let prior = self.trained_for.prior(knowledge.class_counts, classes)?;
        // Each row relative to its largest entry; the posterior under another prior needs no more.
        for row in likelihoods.chunks_exact_mut(classes) {
            let largest = row.iter().fold(f32::NEG_INFINITY, |largest, &z| largest.max(z));
            row.iter_mut().for_each(|z| *z = (*z - largest).exp());
        }
        Ok(Box::new(Shifted::estimated(&prior, &self.estimate(&likelihoods, &prior))))
    }
}

impl EmPrior {
    /// The prior under which rows `[samples, classes]` of posteriors (up to a factor a row) that were made for `prior` are most
    /// likely.
    fn estimate(&self, likelihoods: &[f32], prior: &[f64]) -> Vec<f64> {
        let classes = prior.len();
        let samples = (likelihoods.len() / classes) as f64 + self.pseudo_count * classes as f64;
        let mut estimate = prior.to_vec();
        for _ in 0..self.iterations {
            let ratio: Vec<f64> =
                estimate.iter().zip(prior).map(|(q, p)| if *p > 0.0 { q / p } else { 0.0 }).collect();
            let mut next = vec![self.pseudo_count; classes];
            for row in likelihoods.chunks_exact(classes) {
                let evidence: f64 = row.iter().zip(&ratio).map(|(&l, ratio)| f64::from(l) * ratio).sum();
                // A row that the last estimate rules out says nothing about the next.
                if evidence > 0.0 {
                    let posterior = row.iter().zip(&ratio).map(|(&l, ratio)| f64::from(l) * ratio / evidence);
                    next.iter_mut().zip(posterior).for_each(|(sum, p)| *sum += p);
                }
            }
            next.iter_mut().for_each(|sum| *sum /= samples);
            let change: f64 = estimate.iter().zip(&next).map(|(a, b)| (a - b).abs()).sum();
            estimate = next;
            if change < 1e-6 {
                break;
            }
        }
        estimate
    }
}

register! {
    Aggregator "em-prior" => EmPrior,
    summary: "the mean of logits, corrected for a test prior estimated by expectation maximisation",
    paper: "Saerens et al., Adjusting the outputs of a classifier to new a priori probabilities, Neural Computation 2002, equation 2.9",
    example: r#"
kind = "em-prior"
"#,
}

#[cfg(test)]
mod tests {
    use super::*;
    use balpoe_core::random::{Purpose, Stream};

    /// Two Gaussian classes at ±1 with known posteriors, drawn with a prior of 0.8 and 0.2.
    #[test]
    fn a_shifted_prior_is_found() {
        let mut stream = Stream::new(1, Purpose::Generation, 0, 0);
        let samples = 20_000;
        let posteriors: Vec<f32> = (0..samples)
            .flat_map(|_| {
                let mean = if stream.chance(0.8) { -1.0 } else { 1.0 };
                let x = mean + stream.normal();
                let second = 1.0 / (1.0 + (-2.0 * x).exp());
                [(1.0 - second) as f32, second as f32]
            })
            .collect();
        let found = EmPrior::default().estimate(&posteriors, &[0.5, 0.5]);
        // The standard error is about 0.004.
        assert!((found[0] - 0.8).abs() < 0.02 && (found[0] + found[1] - 1.0).abs() < 1e-9, "{found:?}");
    }
}
