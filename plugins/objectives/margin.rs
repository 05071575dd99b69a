//! Cross-entropy with label-dependent margins, which LDAM and RIDE share.

use balpoe_core::components::Targets;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, TracedMatrix, TracedScalar};

/// Margins `m_c = largest n_c^(-1/4) / max_k n_k^(-1/4)` that are taken off the true class's logit, times a scale.
pub(super) struct Margins {
    /// Scale times margin of each class.
    shifts: Vec<f32>,
}

impl Margins {
    /// The rarest class has the largest margin. A class without images has that of one with a single image.
    pub(super) fn new(class_counts: &[usize], largest: f64, scale: f64) -> Self {
        let raw: Vec<f64> = class_counts.iter().map(|&count| (count.max(1) as f64).powf(-0.25)).collect();
        let most = raw.iter().fold(0.0_f64, |most, &margin| most.max(margin));
        Self { shifts: raw.iter().map(|margin| (scale * largest * margin / most) as f32).collect() }
    }

    /// The cross-entropy of each label after its margin is taken off, weighted by class, over the sum of the weights. Mixed
    /// labels weigh the losses of both.
    pub(super) fn loss(
        &self,
        logits: TracedMatrix,
        targets: &Targets,
        class_weights: Option<&[f32]>,
        device: &Device,
    ) -> TracedScalar {
        let Targets { first, second, lambda, smoothing } = targets;
        let others: Vec<f32> = lambda.iter().map(|lambda| 1.0 - lambda).collect();
        let mixed = others.iter().any(|&weight| weight != 0.0);
        let other = mixed
            .then(|| self.part(logits.with_empty_tape(), second, &others, *smoothing, class_weights, device));
        let own = self.part(logits, first, lambda, *smoothing, class_weights, device);
        match other {
            Some(other) => own + other,
            None => own,
        }
    }

    /// The loss of one label an image, weighted by image and class.
    fn part(
        &self,
        logits: TracedMatrix,
        labels: &[u32],
        weights: &[f32],
        smoothing: f32,
        class_weights: Option<&[f32]>,
        device: &Device,
    ) -> TracedScalar {
        let shape = *logits.shape();
        let class_weight = |label: u32| class_weights.map_or(1.0, |weights| weights[label as usize]);
        let total: f32 = labels.iter().map(|&label| class_weight(label)).sum();
        let mut margins = vec![0.0; shape.0 * shape.1];
        let mut target = vec![0.0; shape.0 * shape.1];
        for (row, (&label, weight)) in labels.iter().zip(weights).enumerate() {
            let weight = weight * class_weight(label) / total;
            target[row * shape.1..][..shape.1].fill(weight * smoothing / shape.1 as f32);
            target[row * shape.1 + label as usize] += weight * (1.0 - smoothing);
            margins[row * shape.1 + label as usize] = self.shifts[label as usize];
        }
        let margins = device.tensor_from_vec(margins, shape);
        let target = device.tensor_from_vec(target, shape);
        let likelihood = (logits - margins).log_softmax::<Axis<1>>() * target;
        likelihood.sum::<Rank0, _>().negate()
    }
}
