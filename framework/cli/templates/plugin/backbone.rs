//! A backbone: three convolutions, the last of them each expert's own.

use balpoe_core::components::Backbone;
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_net::{BatchNorm, Conv, NetBuilder, NetError, NodeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stem and one stage for all experts, then one stage and a global average pool for each.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyPlugin {
    /// Experts; one gives an ordinary network.
    pub experts: usize,
    /// Channels of the stem. The stages have twice and four times as many.
    pub width: usize,
}

impl Default for MyPlugin {
    fn default() -> Self {
        Self { experts: 3, width: 16 }
    }
}

impl Component for MyPlugin {
    fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [("experts", self.experts), ("width", self.width)] {
            if value == 0 {
                return Err(ConfigError::key(key, format!("{key} must be at least 1, found 0")));
            }
        }
        Ok(())
    }
}

impl Backbone for MyPlugin {
    fn experts(&self) -> usize {
        self.experts
    }

    fn describe(&self, net: &mut NetBuilder) -> Result<Vec<NodeId>, NetError> {
        let image = net.input();
        let stem = stage(net, image, "stem", self.width, 1)?;
        let shared = stage(net, stem, "shared", 2 * self.width, 2)?;
        let own = |expert: usize| {
            let last = stage(net, shared, &format!("experts.{expert}"), 4 * self.width, 2)?;
            net.global_average_pool(last)
        };
        (0..self.experts).map(own).collect()
    }
}

/// Convolution, batch norm, ReLU. Parameters are named `{name}.conv.weight` and so on, once each.
fn stage(
    net: &mut NetBuilder,
    x: NodeId,
    name: &str,
    channels: usize,
    stride: usize,
) -> Result<NodeId, NetError> {
    let conv = Conv::new(channels, 3).stride(stride).padding(1);
    let x = net.conv(x, format!("{name}.conv"), conv)?;
    let x = net.batch_norm(x, format!("{name}.norm"), BatchNorm::new())?;
    net.relu(x)
}

register! {
    Backbone "my-plugin" => MyPlugin,
    summary: "three convolutions, the last of them each expert's own",
    paper: "",
    example: r#"
kind = "my-plugin"
experts = 3
width = 16
"#,
}

#[cfg(test)]
mod tests {
    use balpoe_net::Shape;

    use super::*;

    #[test]
    fn every_expert_has_features_of_its_own() {
        let mut net = NetBuilder::new(Shape::new(32, 32, 3));
        let backbone = MyPlugin { experts: 2, width: 8 };
        let features = backbone.describe(&mut net).unwrap();
        assert_ne!(features[0], features[1]);
        for feature in features {
            assert_eq!(net.shape(feature).unwrap(), Shape::vector(32));
        }
    }
}
