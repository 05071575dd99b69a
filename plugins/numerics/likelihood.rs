//! Maximum likelihood for maps of logits that are written in dfdx.

use balpoe_core::components::Predictions;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, Matrix, TracedMatrix, TracedScalar};

use super::{Chunks, Problem};

/// What is added to the likelihood for parameters that are not wanted.
pub(crate) type Penalty<'p> = dyn Fn(&[Matrix]) -> TracedScalar + 'p;

/// The weighted mean negative log-likelihood of labels under logits that are made from the experts' logits.
pub(crate) struct Likelihood<'a> {
    predictions: &'a Predictions,
    /// Weight of each sample.
    weights: Vec<f32>,
    device: Device,
}

impl<'a> Likelihood<'a> {
    /// Of these predictions, with a weight for each sample; the weights need not sum to anything.
    pub(crate) fn new(predictions: &'a Predictions, weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let weights = weights.iter().map(|weight| (weight / total) as f32).collect();
        Self { predictions, weights, device: Device::default() }
    }

    /// The parameters of `map` that make the labels most likely, from a start. `map` takes parameters, which it has to trace,
    /// and every expert's logits `[rows, classes]`; `penalty` is added to the mean.
    pub(crate) fn maximize(
        &self,
        start: &[Matrix],
        map: impl Fn(&[Matrix], &[Matrix]) -> TracedMatrix,
        penalty: Option<&Penalty<'_>>,
    ) -> Vec<Matrix> {
        let chunks: Vec<_> =
            Chunks::new(self.predictions.samples(), self.predictions.classes()).iter().collect();
        let term = |term: usize, parameters: &[Matrix]| {
            let (Some(rows), _) = (chunks.get(term), penalty) else {
                // The one term after the chunks.
                return penalty.map_or_else(|| self.device.zeros().retaped(), |penalty| penalty(parameters));
            };
            let experts: Vec<Matrix> =
                self.predictions.experts.iter().map(|e| e.matrix(rows.clone(), &self.device)).collect();
            let labels = self.predictions.labels[rows.clone()].iter().map(|&label| label as usize).collect();
            let labels = self.device.tensor_from_vec(labels, (rows.len(),));
            let weights = self.device.tensor_from_vec(self.weights[rows.clone()].to_vec(), (rows.len(),));
            let likelihood = map(parameters, &experts).log_softmax::<Axis<1>>().select(labels);
            (likelihood * weights).sum::<Rank0, _>().negate()
        };
        let terms = chunks.len() + usize::from(penalty.is_some());
        Problem { terms, term: Box::new(term) }.minimize(start)
    }
}
