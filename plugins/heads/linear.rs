//! The linear classifier.

use balpoe_core::components::{ExpertHead, HeadParameter};
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Matrix, TracedMatrix};
use balpoe_net::{Init, NetBuilder, NetError, NodeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `z = h W^T + b`, with `weight` `[classes, features]` and `bias` `[classes]` as `PyTorch` stores them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Linear {
    /// Whether there is a bias. It starts uniform in ±1/√features.
    pub bias: bool,
    /// How the weight starts: "kaiming-normal", variance 2/features, as the reference does on CIFAR; "uniform" in
    /// ±1/√features, as PyTorch does.
    pub init: LinearInit,
}

/// How a linear classifier's weight starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LinearInit {
    /// Normal with variance 2/features.
    KaimingNormal,
    /// Uniform in ±1/√features.
    Uniform,
}

impl Default for Linear {
    fn default() -> Self {
        Self { bias: true, init: LinearInit::KaimingNormal }
    }
}

impl Component for Linear {}

impl Linear {
    fn weight_init(&self, features: usize) -> Init {
        match self.init {
            LinearInit::KaimingNormal => Init::kaiming_normal(features),
            LinearInit::Uniform => Init::uniform_by_fan(features),
        }
    }

    fn bias_init(&self, features: usize) -> Option<Init> {
        self.bias.then(|| Init::uniform_by_fan(features))
    }
}

impl ExpertHead for Linear {
    fn parameters(&self, features: usize, classes: usize) -> Vec<HeadParameter> {
        let weight = HeadParameter {
            name: "weight",
            shape: vec![classes, features],
            init: self.weight_init(features),
        };
        let bias = self.bias_init(features);
        let bias = bias.map(|init| HeadParameter { name: "bias", shape: vec![classes], init });
        std::iter::once(weight).chain(bias).collect()
    }

    fn forward(&self, parameters: &[Matrix], features: TracedMatrix) -> TracedMatrix {
        let logits = features.matmul(parameters[0].leaky_trace().permute::<_, Axes2<1, 0>>());
        let Some(bias) = parameters.get(1) else { return logits };
        let shape = *logits.shape();
        // The bias is a matrix of one row; its sum over that row is the vector that broadcasts.
        let bias = bias.leaky_trace().sum::<(usize,), Axis<0>>();
        logits + bias.broadcast_like::<_, Axis<0>>(&shape)
    }

    fn lower(
        &self,
        net: &mut NetBuilder,
        feature: NodeId,
        name: &str,
        classes: usize,
    ) -> Result<Option<NodeId>, NetError> {
        let features = net.shape(feature)?.channels;
        let (bias, weight) = (self.bias_init(features), self.weight_init(features));
        net.linear(feature, name, classes, bias, weight).map(Some)
    }
}

register! {
    ExpertHead "linear" => Linear,
    summary: "the ordinary affine classifier",
    paper: "",
    example: r#"
kind = "linear"
"#,
}
