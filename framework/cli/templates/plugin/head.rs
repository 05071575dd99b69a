//! A head: distances to one prototype a class.

use balpoe_core::components::{ExpertHead, HeadParameter};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Matrix, TracedMatrix};
use balpoe_net::Init;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `z_c = scale (2 h w_c - |w_c|^2)`: up to a constant of the image, which no softmax notices, minus
/// the squared distance between the features h and the class's prototype `w_c`, times the scale.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyPlugin {
    /// Factor on the squared distances.
    pub scale: f64,
}

impl Default for MyPlugin {
    fn default() -> Self {
        Self { scale: 1.0 }
    }
}

impl Component for MyPlugin {
    fn check(&self) -> Result<(), ConfigError> {
        if self.scale.is_finite() && self.scale > 0.0 {
            return Ok(());
        }
        let message = format!("scale must be a positive number, found {}", self.scale);
        Err(ConfigError::key("scale", message))
    }
}

impl ExpertHead for MyPlugin {
    fn parameters(&self, features: usize, classes: usize) -> Vec<HeadParameter> {
        let init = Init::uniform_by_fan(features);
        vec![HeadParameter { name: "prototypes", shape: vec![classes, features], init }]
    }

    fn forward(&self, parameters: &[Matrix], features: TracedMatrix) -> TracedMatrix {
        let prototypes = parameters[0].leaky_trace();
        // A traced tensor that is used again is branched with `with_empty_tape`.
        let lengths = prototypes.with_empty_tape().square().sum::<(usize,), Axis<1>>();
        let products = features.matmul(prototypes.permute::<_, Axes2<1, 0>>());
        let shape = *products.shape();
        (products * 2.0 - lengths.broadcast_like::<_, Axis<0>>(&shape)) * self.scale as f32
    }
}

register! {
    ExpertHead "my-plugin" => MyPlugin,
    summary: "squared distances to one prototype a class",
    paper: "",
    example: r#"
kind = "my-plugin"
scale = 1.0
"#,
}

#[cfg(test)]
mod tests {
    use balpoe_core::tensor::Device;

    use super::*;

    #[test]
    fn features_belong_to_the_nearest_prototype() {
        let device = Device::default();
        let prototypes: Matrix = device.tensor_from_vec(vec![1.0, 0.0, 0.0, 1.0], (2, 2));
        let features: Matrix = device.tensor_from_vec(vec![0.0, 1.0], (1, 2));
        let head = MyPlugin { scale: 3.0 };
        let logits = head.forward(&[prototypes], features.leaky_trace());
        // Squared distances are 2 and 0, and |h|^2 is 1.
        assert_eq!(logits.as_vec(), [-3.0, 3.0]);
    }
}
