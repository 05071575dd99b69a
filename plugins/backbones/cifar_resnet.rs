//! Residual networks for small images, with experts.

use balpoe_core::components::Backbone;
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_net::{BatchNorm, Conv, NetBuilder, NetError, NodeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::experts::{branch, pool};

/// Settings of the CIFAR residual networks of He et al. 2016 (section 4.2): three stages of basic blocks, of which every expert has the
/// later ones for itself.
///
/// The stem and the first stage are shared; each expert has its own second and third stage (stride 2 each) and a global
/// average pool. Parameters have the names of the reference implementation: `layer2s.{expert}.{block}.conv1.weight` with
/// several experts, `layer2.{block}.conv1.weight` for a stage that there is only one of.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CifarResNet {
    /// Experts; one gives the ordinary network.
    pub experts: usize,
    /// Channels of the stem and the first stage. The second and third stage have twice and four times as many.
    pub width: usize,
    /// Whether the second and third stage have only three quarters of their channels (24 and 48 at width 16).
    pub reduce_dimension: bool,
    /// Channels of the second stage, whatever the width.
    pub layer2_channels: Option<usize>,
    /// Channels of the third stage, whatever the width.
    pub layer3_channels: Option<usize>,
    /// Whether all experts use one second stage.
    pub share_layer2: bool,
    /// Whether all experts use one third stage, which needs a shared second one.
    pub share_layer3: bool,
    /// How a block's input is added where its shape changes: "A", every second pixel with zero channels around; "B", a 1x1
    /// convolution with batch norm.
    pub shortcut: Shortcut,
}

/// How a residual block's input is added to its output where their shapes differ (He et al. 2016, section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Shortcut {
    /// Every second pixel, zero channels around: no parameters.
    A,
    /// A 1x1 convolution with batch norm.
    B,
}

impl Default for CifarResNet {
    fn default() -> Self {
        Self {
            experts: 3,
            width: 16,
            reduce_dimension: false,
            layer2_channels: None,
            layer3_channels: None,
            share_layer2: false,
            share_layer3: false,
            shortcut: Shortcut::A,
        }
    }
}

impl CifarResNet {
    fn check(&self) -> Result<(), ConfigError> {
        let channels = [("layer2_channels", self.layer2_channels), ("layer3_channels", self.layer3_channels)];
        let sizes = [("experts", Some(self.experts)), ("width", Some(self.width))];
        for (key, size) in sizes.into_iter().chain(channels) {
            if size == Some(0) {
                return Err(ConfigError::key(key, format!("{key} must be at least 1, found 0")));
            }
        }
        if self.share_layer3 && !self.share_layer2 {
            return Err(ConfigError::key(
                "share_layer3",
                "experts cannot share the third stage while each has its own second stage",
            )
            .help("set `share_layer2 = true` as well"));
        }
        let (layer2, layer3) = self.channels();
        for (key, narrow, wide) in
            [("layer2_channels", self.width, layer2), ("layer3_channels", layer2, layer3)]
        {
            if self.shortcut == Shortcut::A && wide < narrow {
                return Err(ConfigError::key(
                    key,
                    format!("{wide} channels after {narrow}: shortcut \"A\" can only add channels"),
                )
                .help("widen the stage, or set `shortcut = \"B\"`"));
            }
        }
        Ok(())
    }

    /// Channels of the second and the third stage.
    fn channels(&self) -> (usize, usize) {
        let (second, third) = if self.reduce_dimension {
            (3 * self.width / 2, 3 * self.width)
        } else {
            (2 * self.width, 4 * self.width)
        };
        (self.layer2_channels.unwrap_or(second), self.layer3_channels.unwrap_or(third))
    }
}

/// A network of these settings with this many blocks a stage.
struct Construction<'a> {
    settings: &'a CifarResNet,
    blocks: usize,
}

impl Construction<'_> {
    /// The whole network: one feature vector per expert.
    fn features(&self, net: &mut NetBuilder) -> Result<Vec<NodeId>, NetError> {
        let CifarResNet { experts, width, share_layer2, share_layer3, .. } = *self.settings;
        let (layer2, layer3) = self.settings.channels();
        let x = net.conv(net.input(), "conv1", Conv::new(width, 3).padding(1))?;
        let x = net.batch_norm(x, "bn1", BatchNorm::new())?;
        let x = net.relu(x)?;
        let x = self.stage(net, x, "layer1", width, 1)?;
        let x = branch(net, experts, share_layer2, &[x], "layer2", |net, x, name| {
            self.stage(net, x, name, layer2, 2)
        })?;
        let x = branch(net, experts, share_layer3, &x, "layer3", |net, x, name| {
            self.stage(net, x, name, layer3, 2)
        })?;
        pool(net, experts, &x)
    }

    fn stage(
        &self,
        net: &mut NetBuilder,
        mut x: NodeId,
        name: &str,
        channels: usize,
        stride: usize,
    ) -> Result<NodeId, NetError> {
        for block in 0..self.blocks {
            let stride = if block == 0 { stride } else { 1 };
            x = self.block(net, x, &format!("{name}.{block}"), channels, stride)?;
        }
        Ok(x)
    }

    fn block(
        &self,
        net: &mut NetBuilder,
        x: NodeId,
        name: &str,
        channels: usize,
        stride: usize,
    ) -> Result<NodeId, NetError> {
        let y = net.conv(x, format!("{name}.conv1"), Conv::new(channels, 3).stride(stride).padding(1))?;
        let y = net.batch_norm(y, format!("{name}.bn1"), BatchNorm::new())?;
        let y = net.relu(y)?;
        let y = net.conv(y, format!("{name}.conv2"), Conv::new(channels, 3).padding(1))?;
        let y = net.batch_norm(y, format!("{name}.bn2"), BatchNorm::new())?;
        let shortcut = match self.settings.shortcut {
            _ if net.shape(x)? == net.shape(y)? => x,
            Shortcut::A => net.subsample_pad(x, stride, channels)?,
            Shortcut::B => {
                let x = net.conv(x, format!("{name}.shortcut.0"), Conv::new(channels, 1).stride(stride))?;
                net.batch_norm(x, format!("{name}.shortcut.1"), BatchNorm::new())?
            }
        };
        let y = net.add(y, shortcut)?;
        net.relu(y)
    }
}

/// One depth: the settings under a type of its own, and its registration.
macro_rules! depth {
    ($depth:ident $name:literal, $blocks:literal blocks, $summary:literal, $example:literal) => {
        #[doc = $summary]
        #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $depth(pub CifarResNet);

        impl Component for $depth {
            fn check(&self) -> Result<(), ConfigError> {
                self.0.check()
            }
        }

        impl Backbone for $depth {
            fn experts(&self) -> usize {
                self.0.experts
            }

            fn describe(&self, net: &mut NetBuilder) -> Result<Vec<NodeId>, NetError> {
                Construction { settings: &self.0, blocks: $blocks }.features(net)
            }
        }

        register! {
            Backbone $name => $depth,
            summary: $summary,
            paper: "He et al., Deep residual learning for image recognition, CVPR 2016, section 4.2",
            example: $example,
        }
    };
}

depth!(ResNet20 "resnet20", 3 blocks, "ResNet-20 for small images, later stages per expert", r#"
kind = "resnet20"
experts = 3
"#);

depth!(ResNet32 "resnet32", 5 blocks, "ResNet-32 for small images, later stages per expert", r#"
kind = "resnet32"
experts = 3
"#);

depth!(ResNet44 "resnet44", 7 blocks, "ResNet-44 for small images, later stages per expert", r#"
kind = "resnet44"
experts = 3
"#);

depth!(ResNet56 "resnet56", 9 blocks, "ResNet-56 for small images, later stages per expert", r#"
kind = "resnet56"
experts = 3
"#);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heads::{Cosine, Linear};
    use balpoe_core::components::ExpertHead;
    use balpoe_net::{Net, Shape};

    fn net(backbone: &impl Backbone, head: &dyn ExpertHead, classes: usize) -> Net {
        let mut net = NetBuilder::new(Shape::new(32, 32, 3));
        let features = backbone.describe(&mut net).unwrap();
        assert_eq!(features.len(), backbone.experts());
        for (expert, feature) in features.into_iter().enumerate() {
            let name = if backbone.experts() == 1 { "linear".into() } else { format!("linears.{expert}") };
            let logits = head.lower(&mut net, feature, &name, classes).unwrap().unwrap();
            net.output(format!("logits.{expert}"), logits).unwrap();
        }
        net.finish().unwrap()
    }

    /// Counted on the reference implementation with a 32x32 input: classes, experts, parameters, 10^-4 GMAC.
    #[test]
    fn counts_are_those_of_the_reference() {
        for (classes, experts, parameters, gmac) in [
            (100, 1, 469_904, 689),
            (100, 2, 915_984, 1137),
            (100, 3, 1_362_064, 1585),
            (100, 4, 1_808_144, 2034),
            (100, 5, 2_254_224, 2482),
            (100, 6, 2_700_304, 2930),
            (100, 7, 3_146_384, 3379),
            (10, 1, 464_144, 689),
            (10, 3, 1_344_784, 1585),
            (10, 7, 3_106_064, 3378),
        ] {
            let net = net(
                &ResNet32(CifarResNet { experts, ..CifarResNet::default() }),
                &Cosine::default(),
                classes,
            );
            assert_eq!(net.parameter_count(), parameters, "{classes} classes, {experts} experts");
            assert_eq!(
                (net.multiply_adds() + 50_000) / 100_000,
                gmac,
                "{classes} classes, {experts} experts"
            );
        }
    }

    #[test]
    fn variants_have_the_counts_of_the_reference() {
        let default = CifarResNet::default;
        let shared = CifarResNet { share_layer2: true, ..default() };
        let cosine = Cosine::default();
        let linear = Linear::default();
        // Multiply-adds of the shared variants are those of a stage that is computed once; the reference computes it three
        // times and counts 0.1585.
        let variants: [(CifarResNet, &dyn ExpertHead, usize, u64); 5] = [
            (CifarResNet { reduce_dimension: true, ..default() }, &cosine, 783_856, 1004),
            (shared.clone(), &cosine, 1_185_680, 1137),
            (CifarResNet { share_layer3: true, ..shared }, &cosine, 482_704, 689),
            (CifarResNet { shortcut: Shortcut::B, ..default() }, &cosine, 1_370_320, 1593),
            (default(), &linear, 1_362_364, 1585),
        ];
        for (settings, head, parameters, gmac) in variants {
            let backbone = ResNet32(settings);
            let net = net(&backbone, head, 100);
            assert_eq!(net.parameter_count(), parameters, "{backbone:?}");
            assert_eq!((net.multiply_adds() + 50_000) / 100_000, gmac, "{backbone:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_reference() {
        let several = net(&ResNet32::default(), &Cosine::default(), 100);
        // 216 trained tensors and 429 entries of PyTorch's state, which counts the batches of each norm as well.
        let norms = several.buffers().len() / 2;
        assert_eq!(several.parameters().len(), 216);
        assert_eq!(several.parameters().len() + several.buffers().len() + norms, 429);
        for name in [
            "conv1.weight",
            "bn1.bias",
            "layer1.4.conv2.weight",
            "layer3s.2.0.bn2.weight",
            "linears.1.weight",
        ] {
            assert!(several.parameter_index(name).is_some(), "{name}");
        }
        let one =
            net(&ResNet32(CifarResNet { experts: 1, ..CifarResNet::default() }), &Cosine::default(), 100);
        let projected = CifarResNet { shortcut: Shortcut::B, ..CifarResNet::default() };
        let projected = net(&ResNet32(projected), &Cosine::default(), 100);
        for (net, name) in [
            (&one, "layer3.4.bn2.bias"),
            (&one, "linear.weight"),
            (&projected, "layer2s.0.0.shortcut.0.weight"),
            (&projected, "layer2s.0.0.shortcut.1.bias"),
        ] {
            assert!(net.parameter_index(name).is_some(), "{name}");
        }
    }

    #[test]
    fn impossible_settings_are_refused() {
        let message = |settings: CifarResNet| settings.check().unwrap_err().to_string();
        let default = CifarResNet::default;
        assert!(message(CifarResNet { experts: 0, ..default() }).contains("at least 1"));
        assert!(message(CifarResNet { share_layer3: true, ..default() }).contains("third stage"));
        assert!(
            message(CifarResNet { layer2_channels: Some(8), ..default() }).contains("8 channels after 16")
        );
        CifarResNet { layer2_channels: Some(8), shortcut: Shortcut::B, ..default() }.check().unwrap();
    }
}
