//! A test prior estimated from the confusion matrix.

use balpoe_core::components::{Aggregation, Aggregator, ComponentError, Knowledge};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shifted::{Shifted, TrainedFor, unlabelled_mean};
use crate::numerics::{argmax, conjugate_gradients};

/// `mean_e z_e + ln q - ln p`, with a test prior q estimated by black-box shift estimation: if `C_ij` is how often held-out
/// images of class j are predicted as i, and `m_i` how often test images are, then `C w = m` has the ratio w of test to held-out
/// prior for its solution.
///
/// It is solved in least squares with a pull toward w = 1, no shift; negative ratios become zero. Imagined images of every
/// class keep the estimate above zero, where images of the class could not be recognised at all.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bbse {
    /// The prior that the mean of logits is made for: "uniform", as BalPoE's; "training", as plain cross-entropy's.
    pub trained_for: TrainedFor,
    /// Strength of the pull toward no shift, relative to the mean squared column of C.
    pub pull: f64,
    /// Imagined test images of each class; 0 leaves the estimate as it is.
    pub pseudo_count: f64,
}

impl Default for Bbse {
    fn default() -> Self {
        Self { trained_for: TrainedFor::Uniform, pull: 1e-3, pseudo_count: 1.0 }
    }
}

impl Component for Bbse {
    fn check(&self) -> Result<(), ConfigError> {
        if !(self.pull.is_finite() && self.pull > 0.0) {
            return Err(ConfigError::key(
                "pull",
                format!("pull must be a positive number, found {}", self.pull),
            ));
        }
        if !(self.pseudo_count.is_finite() && self.pseudo_count >= 0.0) {
            let message = format!("pseudo_count must be at least 0, found {}", self.pseudo_count);
            return Err(ConfigError::key("pseudo_count", message));
        }
        Ok(())
    }
}

impl Aggregator for Bbse {
    fn prepare(&self, knowledge: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError> {
        let Some(held_out) = knowledge.held_out else {
            let message = "\"bbse\" needs held-out predictions; set [validation], or use \"em-prior\"";
            return Err(ComponentError::new(message));
        };
        let held_out = held_out.predictions();
        let classes = knowledge.unlabelled.classes();
        let prior = self.trained_for.prior(knowledge.class_counts, classes)?;
        let predicted = |mean: &[f32]| -> Vec<usize> { mean.chunks_exact(classes).map(argmax).collect() };
        let test = predicted(&unlabelled_mean(&knowledge)?);
        let known = predicted(&unlabelled_mean(&Knowledge { unlabelled: held_out, ..knowledge })?);
        let labels: Vec<usize> = held_out.labels.iter().map(|&label| label as usize).collect();

        let ratio = self
            .ratio(&Confusion { predicted: &known, labels: &labels, classes }, &frequencies(&test, classes));
        let shifted = frequencies(&labels, classes).into_iter().zip(ratio).map(|(p, w)| p * w.max(0.0));
        let shifted: Vec<f64> = shifted.collect();
        let total: f64 = shifted.iter().sum();
        if total <= 0.0 {
            return Err(ComponentError::new(
                "the confusion matrix gives no test prior: no ratio is positive",
            ));
        }
        let images = test.len() as f64;
        let all = images + self.pseudo_count * classes as f64;
        let estimate: Vec<f64> =
            shifted.iter().map(|q| (q / total * images + self.pseudo_count) / all).collect();
        Ok(Box::new(Shifted::estimated(&prior, &estimate)))
    }
}

impl Bbse {
    /// The solution w of `(C^T C + r) w = C^T m + r 1`.
    fn ratio(&self, confusion: &Confusion<'_>, marginal: &[f64]) -> Vec<f64> {
        let classes = confusion.classes;
        let columns = confusion.transposed(&confusion.times(&vec![1.0; classes]));
        let pull = self.pull * columns.iter().sum::<f64>() / classes as f64;
        let normal = |w: &[f64]| -> Vec<f64> {
            confusion
                .transposed(&confusion.times(w))
                .iter()
                .zip(w)
                .map(|(image, w)| image + pull * w)
                .collect()
        };
        let right: Vec<f64> = confusion.transposed(marginal).iter().map(|image| image + pull).collect();
        conjugate_gradients(normal, &right, vec![1.0; classes], 10 * classes)
    }
}

/// The joint frequencies of predicted and true class, kept as samples: with thousands of classes almost all are zero.
struct Confusion<'a> {
    predicted: &'a [usize],
    labels: &'a [usize],
    classes: usize,
}

impl Confusion<'_> {
    fn times(&self, w: &[f64]) -> Vec<f64> {
        self.sum(self.predicted, self.labels, w)
    }

    fn transposed(&self, m: &[f64]) -> Vec<f64> {
        self.sum(self.labels, self.predicted, m)
    }

    fn sum(&self, rows: &[usize], columns: &[usize], x: &[f64]) -> Vec<f64> {
        let mut image = vec![0.0; self.classes];
        for (&row, &column) in rows.iter().zip(columns) {
            image[row] += x[column] / self.labels.len() as f64;
        }
        image
    }
}

fn frequencies(classes_of_samples: &[usize], classes: usize) -> Vec<f64> {
    let mut frequencies = vec![0.0; classes];
    for &class in classes_of_samples {
        frequencies[class] += 1.0 / classes_of_samples.len() as f64;
    }
    frequencies
}

register! {
    Aggregator "bbse" => Bbse,
    summary: "the mean of logits, corrected for a test prior estimated from the held-out confusion matrix",
    paper: "Lipton et al., Detecting and correcting for label shift with black box predictors, ICML 2018, section 4; Azizzadenesheli et al., Regularized learning for domain adaptation under label shifts, ICLR 2019",
    example: r#"
kind = "bbse"
"#,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A classifier that is right in 4 of 5 and 3 of 4 cases, on a held-out set of 100 and 80 images.
    #[test]
    fn the_ratio_is_exact_where_frequencies_are() {
        let labels: Vec<usize> = std::iter::repeat_n(0, 100).chain(std::iter::repeat_n(1, 80)).collect();
        let predicted: Vec<usize> =
            (0..100).map(|i| usize::from(i >= 80)).chain((0..80).map(|i| usize::from(i >= 20))).collect();
        let confusion = Confusion { predicted: &predicted, labels: &labels, classes: 2 };
        // Of 70 % and 30 % test images the classifier predicts 0.7 0.8 + 0.3 0.25 as class 0.
        let first = 0.7 * 0.8 + 0.3 * 0.25;
        let ratio = Bbse { pull: 1e-9, ..Bbse::default() }.ratio(&confusion, &[first, 1.0 - first]);
        assert!(
            (ratio[0] - 0.7 * 180.0 / 100.0).abs() < 1e-6 && (ratio[1] - 0.3 * 180.0 / 80.0).abs() < 1e-6,
            "{ratio:?}"
        );
    }
}
