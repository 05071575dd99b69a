//! Weighted means of logits, with weights that sum to one.

use balpoe_core::components::{Aggregation, LinearPool};
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, Matrix, TracedMatrix};

/// `sum_e w_e z_e`.
pub(super) struct Weights {
    weights: Vec<f32>,
}

impl Weights {
    /// Where weights start from: equal ones, as one row of their logarithms.
    pub(super) fn start(experts: usize) -> Matrix {
        Device::default().zeros_like(&(1, experts))
    }

    /// Weights from a row of logarithms up to a constant.
    pub(super) fn new(logarithms: &Matrix) -> Self {
        Self { weights: logarithms.clone().softmax::<Axis<1>>().as_vec() }
    }
}

impl Aggregation for Weights {
    fn apply(&self, experts: &[Matrix]) -> Matrix {
        let terms = experts[1..].iter().zip(&self.weights[1..]);
        terms.fold(experts[0].clone() * self.weights[0], |sum, (expert, &weight)| {
            sum + expert.clone() * weight
        })
    }

    fn lower(&self) -> Option<LinearPool> {
        Some(LinearPool { weights: self.weights.clone() })
    }

    fn summary(&self) -> String {
        let weights: Vec<String> = self.weights.iter().map(|weight| format!("{weight:.3}")).collect();
        format!("weights {}", weights.join(", "))
    }
}

/// The weighted mean of logits as a function of the weights' logarithms `[1, experts]`.
pub(super) fn weighted_mean(logarithms: &Matrix, experts: &[Matrix]) -> TracedMatrix {
    let count = experts.len();
    let term = |(e, expert): (usize, &Matrix)| {
        let pick = (0..count).map(|row| f32::from(u8::from(row == e))).collect();
        let pick = expert.device().tensor_from_vec(pick, (count, 1));
        let weight = logarithms.leaky_trace().softmax::<Axis<1>>().matmul(pick).sum::<Rank0, _>();
        weight.broadcast_like::<_, Axes2<0, 1>>(expert) * expert.clone()
    };
    let terms = experts.iter().enumerate().map(term);
    terms.reduce(|sum, term| sum + term).unwrap_or_else(|| logarithms.leaky_trace())
}
