//! Fusion of experts by Dempster's rule.

use balpoe_core::components::{Aggregation, Aggregator, ComponentError, Knowledge};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::Matrix;
use balpoe_core::tensor::dfdx::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Logits are evidence `e = softplus(z / temperature)`; each expert believes `b_c = e_c / S` in class c and is unsure by
/// `u = classes / S`, where `S = sum_c (e_c + 1)`. Two experts combine to `b_c ~ b_c b'_c + b_c u' + b'_c u` and `u ~ u u'`:
/// who is unsure of an image has little to say about it. The prediction is `b_c + u / classes`.
///
/// The paper trains its views to give evidence. Here experts are taken as they are, so that their scale matters: calibrate
/// them first (`on = "experts"`), or set the temperature.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvidentialFusion {
    /// What logits are divided by before they become evidence.
    pub temperature: f64,
}

impl Default for EvidentialFusion {
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

impl Component for EvidentialFusion {
    fn check(&self) -> Result<(), ConfigError> {
        if self.temperature.is_finite() && self.temperature > 0.0 {
            return Ok(());
        }
        let message = format!("temperature must be a positive number, found {}", self.temperature);
        Err(ConfigError::key("temperature", message))
    }
}

impl Aggregator for EvidentialFusion {
    // The rule is the same whatever the test distribution.
    fn adapts(&self) -> bool {
        false
    }

    fn prepare(&self, _: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError> {
        Ok(Box::new(self.clone()))
    }
}

/// Beliefs `[samples, classes]`, and uncertainties given to every class, `[samples, classes]`.
struct Opinion {
    belief: Matrix,
    unsure: Matrix,
}

impl Opinion {
    fn new(logits: &Matrix, temperature: f32) -> Self {
        let classes = logits.shape().1 as f32;
        let scaled = logits.clone() / temperature;
        // Softplus without overflow.
        let tail = (scaled.clone().abs().negate().exp() + 1.0).ln();
        let evidence = scaled.relu() + tail;
        let strength = (evidence.clone() + 1.0).sum::<(usize,), Axis<1>>();
        let strength = strength.broadcast_like::<_, Axis<1>>(logits);
        Self { belief: evidence / strength.clone(), unsure: strength.recip() * classes }
    }

    /// Dempster's rule on opinions: what the two contradict each other about is left out.
    fn with(self, other: Self) -> Self {
        let agreed = self.belief.clone() * other.belief.clone();
        let one_sided = self.belief * other.unsure.clone() + other.belief * self.unsure.clone();
        let belief = agreed + one_sided;
        let unsure = self.unsure * other.unsure;
        // Uncertainty stands in every column: its mean is the row's.
        let total = belief.clone().sum::<(usize,), Axis<1>>() + unsure.clone().mean::<(usize,), Axis<1>>();
        let total = total.broadcast_like::<_, Axis<1>>(&belief);
        Self { belief: belief / total.clone(), unsure: unsure / total }
    }
}

impl Aggregation for EvidentialFusion {
    fn apply(&self, experts: &[Matrix]) -> Matrix {
        let opinion = |logits: &Matrix| Opinion::new(logits, self.temperature as f32);
        let first = opinion(&experts[0]);
        let fused = experts[1..].iter().fold(first, |fused, logits| fused.with(opinion(logits)));
        let classes = experts[0].shape().1 as f32;
        (fused.belief + fused.unsure / classes).clamp(f32::MIN_POSITIVE, 1.0).ln()
    }
}

register! {
    Aggregator "evidential-fusion" => EvidentialFusion,
    summary: "Dempster's rule: experts that are unsure of an image have little to say about it",
    paper: "Han et al., Trusted multi-view classification, ICLR 2021, definition 4; for long tails Li et al., Trustworthy long-tailed classification, CVPR 2022",
    example: r#"
kind = "evidential-fusion"
temperature = 1.0
"#,
}

#[cfg(test)]
mod tests {
    use balpoe_core::tensor::Device;

    use super::*;

    /// PyTorch 2.15, float64, algorithm 1 of the paper:
    /// ```python
    /// def combine(a1, a2):
    ///     K, b, u = a1.shape[1], [], []
    ///     for a in (a1, a2):
    ///         S = a.sum(1, keepdim=True); b.append((a - 1) / S); u.append(K / S)
    ///     bb = torch.bmm(b[0].unsqueeze(2), b[1].unsqueeze(1))
    ///     C = bb.sum((1, 2)) - torch.diagonal(bb, dim1=-2, dim2=-1).sum(-1)
    ///     belief = (b[0] * b[1] + b[0] * u[1] + b[1] * u[0]) / (1 - C).unsqueeze(1)
    ///     return belief * K / (u[0] * u[1] / (1 - C).unsqueeze(1)) + 1
    /// z = [[[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]], [[-1.0, 1.0, 0.0], [8.0, -3.0, 1.0]], [[0.3, 0.2, 0.1], [-4.0, 2.0, 2.5]]]
    /// a = [F.softplus(torch.tensor(e, dtype=torch.float64)) + 1 for e in z]
    /// a = combine(combine(a[0], a[1]), a[2])
    /// print(a / a.sum(1, keepdim=True))
    /// ```
    #[test]
    fn the_fusion_is_that_of_the_paper() {
        let device = Device::default();
        let expert = |values: [f32; 6]| -> Matrix { device.tensor_from_vec(values.to_vec(), (2, 3)) };
        let experts = [
            [2.0, -1.0, 0.5, 0.0, 3.0, -2.0],
            [-1.0, 1.0, 0.0, 8.0, -3.0, 1.0],
            [0.3, 0.2, 0.1, -4.0, 2.0, 2.5],
        ]
        .map(expert);
        let found = EvidentialFusion::default().apply(&experts).as_vec();
        let expected = [0.39329, 0.300551, 0.306159, 0.438825, 0.321055, 0.24012];
        for (log, expected) in found.iter().zip(expected) {
            assert!((log.exp() - expected).abs() < 1e-5, "{found:?}");
        }
    }
}
