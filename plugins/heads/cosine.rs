//! The cosine classifier.

use balpoe_core::components::{ExpertHead, HeadParameter};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Matrix, TracedMatrix};
use balpoe_net::{Init, NetBuilder, NetError, NodeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `z_c = scale <h / |h|, w_c / |w_c|>`: logits depend on directions alone, so that frequent classes cannot win by the
/// length of their weights. Each norm is taken as at least 1e-12.
///
/// One parameter, `weight` `[features, classes]`, that starts with columns of unit length.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cosine {
    /// Factor on the cosine: the largest logit that there can be.
    pub scale: f64,
}

impl Default for Cosine {
    fn default() -> Self {
        Self { scale: 30.0 }
    }
}

impl Component for Cosine {
    fn check(&self) -> Result<(), ConfigError> {
        if self.scale.is_finite() && self.scale > 0.0 {
            return Ok(());
        }
        Err(ConfigError::key("scale", format!("scale must be a positive number, found {}", self.scale)))
    }
}

impl ExpertHead for Cosine {
    fn parameters(&self, features: usize, classes: usize) -> Vec<HeadParameter> {
        vec![HeadParameter { name: "weight", shape: vec![features, classes], init: Init::UnitColumns }]
    }

    fn forward(&self, parameters: &[Matrix], features: TracedMatrix) -> TracedMatrix {
        let weight = parameters[0].leaky_trace();
        unit_along::<Axis<1>>(features).matmul(unit_along::<Axis<0>>(weight)) * self.scale as f32
    }

    fn lower(
        &self,
        net: &mut NetBuilder,
        feature: NodeId,
        name: &str,
        classes: usize,
    ) -> Result<Option<NodeId>, NetError> {
        net.cosine_linear(feature, name, classes, self.scale as f32).map(Some)
    }
}

/// Vectors along an axis divided by their norms. The norm is bounded before its root is taken, so that the gradient at a
/// zero vector is zero and not NaN.
fn unit_along<Along: Axes>(x: TracedMatrix) -> TracedMatrix
where
    (usize, usize): ReduceShapeTo<(usize,), Along>,
{
    let shape = *x.shape();
    let norms = x.with_empty_tape().square().sum::<(usize,), Along>().clamp(1e-24, f32::MAX).sqrt();
    x / norms.broadcast_like::<_, Along>(&shape)
}

register! {
    ExpertHead "cosine" => Cosine,
    summary: "scaled cosine between features and class weights",
    paper: "Gidaris and Komodakis, Dynamic few-shot visual learning without forgetting, CVPR 2018, equation 3",
    example: r#"
kind = "cosine"
scale = 30.0
"#,
}
