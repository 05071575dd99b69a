//! Affine maps with off-diagonal and intercept regularisation: what matrix scaling and Dirichlet calibration share.

use balpoe_core::components::{ComponentError, Predictions};
use balpoe_core::config::ConfigError;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, Matrix, TracedMatrix, TracedScalar};

use crate::numerics::Likelihood;

/// `x W^T + b` with W `[classes, classes]` and b `[1, classes]`.
pub(super) struct Affine {
    weight: Matrix,
    bias: Matrix,
}

/// Weights of the penalty `off_diagonal / (k (k - 1)) sum_{i != j} W_ij^2 + bias / k sum_j b_j^2` for k classes.
#[derive(Clone, Copy)]
pub(super) struct Odir {
    pub(super) off_diagonal: f64,
    pub(super) bias: f64,
}

impl Odir {
    /// Refuses negative weights.
    pub(super) fn check(self) -> Result<(), ConfigError> {
        for (key, weight) in [("off_diagonal", self.off_diagonal), ("bias", self.bias)] {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(ConfigError::key(key, format!("{key} must be at least 0, found {weight}")));
            }
        }
        Ok(())
    }
}

impl Affine {
    /// The map of the first expert's features under which the labels are most likely, penalty considered, from the identity.
    /// `features` makes them from logits.
    pub(super) fn fit(
        predictions: &Predictions,
        weights: &[f64],
        odir: Odir,
        features: fn(Matrix) -> Matrix,
    ) -> Result<Self, ComponentError> {
        let classes = predictions.classes();
        if classes < 2 {
            return Err(ComponentError::new(format!("expected at least two classes, found {classes}")));
        }
        let device = Device::default();
        let identity = |diagonal: f32, other: f32| -> Matrix {
            let value = |i: usize| if i.is_multiple_of(classes + 1) { diagonal } else { other };
            device.tensor_from_vec((0..classes * classes).map(value).collect(), (classes, classes))
        };
        let off_diagonal = identity(0.0, 1.0);
        let pairs = (classes * (classes - 1)) as f64;
        let penalty = |parameters: &[Matrix]| -> TracedScalar {
            let weight = (parameters[0].leaky_trace() * off_diagonal.clone()).square().sum::<Rank0, _>();
            let bias = parameters[1].leaky_trace().square().sum::<Rank0, _>();
            weight * (odir.off_diagonal / pairs) as f32 + bias * (odir.bias / classes as f64) as f32
        };
        let start = [identity(1.0, 0.0), device.zeros_like(&(1, classes))];
        let mut fitted = Likelihood::new(predictions, weights).maximize(
            &start,
            |parameters, experts| {
                affine(features(experts[0].clone()).retaped(), &parameters[0], &parameters[1])
            },
            Some(&penalty),
        );
        let bias = fitted.remove(1);
        Ok(Self { weight: fitted.remove(0), bias })
    }

    pub(super) fn apply(&self, features: &Matrix) -> Matrix {
        affine(features.leaky_trace(), &self.weight, &self.bias).retaped()
    }

    pub(super) fn summary(&self) -> String {
        let weight = self.weight.as_vec();
        let classes = self.bias.shape().1;
        let diagonal: f32 = weight.iter().step_by(classes + 1).sum::<f32>() / classes as f32;
        let largest =
            |values: &mut dyn Iterator<Item = f32>| values.fold(0.0_f32, |most, v| most.max(v.abs()));
        let off =
            largest(&mut weight.iter().enumerate().filter(|(i, _)| i % (classes + 1) != 0).map(|(_, &w)| w));
        let bias = largest(&mut self.bias.as_vec().into_iter());
        format!("mean diagonal {diagonal:.3}, largest off it {off:.3}, largest bias {bias:.3}")
    }
}

fn affine(x: TracedMatrix, weight: &Matrix, bias: &Matrix) -> TracedMatrix {
    let image = x.matmul(weight.leaky_trace().permute::<_, Axes2<1, 0>>());
    let shape = *image.shape();
    image + bias.leaky_trace().sum::<(usize,), Axis<0>>().broadcast_like::<_, Axis<0>>(&shape)
}
