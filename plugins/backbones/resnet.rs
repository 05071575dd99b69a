//! Residual networks for large images, with experts.

use std::path::Path;

use balpoe_core::components::Backbone;
use balpoe_core::config::{ConfigError, FilePath};
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_net::{BatchNorm, Conv, Fan, NetBuilder, NetError, NodeId, WeightInit, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::experts::{branch, pool};

/// Settings of the residual networks for ImageNet: a stem and four stages, of which every expert has the third, the fourth
/// and a global average pool for itself.
///
/// Parameters have the names of the reference implementation, which for one expert are those of torchvision:
/// `layer3s.{expert}.{block}.conv1.weight` with several experts, `layer3.{block}.conv1.weight` for a stage that there is only
/// one of.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResNet {
    /// Experts; one gives the ordinary network.
    pub experts: usize,
    /// Whether the third and fourth stage are three quarters as wide: 192 and 384 instead of 256 and 512.
    pub reduce_dimension: bool,
    /// Width of the third stage. Bottleneck blocks put out four times as many channels.
    pub layer3_channels: Option<usize>,
    /// Width of the fourth stage. Bottleneck blocks put out four times as many channels.
    pub layer4_channels: Option<usize>,
    /// Whether all experts use one third stage.
    pub share_layer3: bool,
    /// The first convolution: "conv7", 7x7 with stride 2; "conv3", 3x3 with stride 1. A 3x3 max pool with stride 2 follows. The
    /// network's own if not given: "conv3" for ResNet-34, as in the reference, "conv7" for the others.
    pub stem: Option<Stem>,
    /// Whether the last batch norm of every block starts with a scale of zero, so that blocks start as identities.
    pub zero_init_residual: bool,
    /// A safetensors file with weights to start from, under torchvision's names or the reference's. Every tensor of the backbone
    /// must be in it; `layer3.0.conv1.weight` goes to that place in the third stage of each expert. Classifiers are not taken.
    #[schemars(extend("whereabouts" = true))]
    pub pretrained: Option<FilePath>,
}

/// The first convolution of a network for large images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stem {
    /// 7x7, stride 2.
    Conv7,
    /// 3x3, stride 1.
    Conv3,
}

impl Default for ResNet {
    fn default() -> Self {
        Self {
            experts: 3,
            reduce_dimension: false,
            layer3_channels: None,
            layer4_channels: None,
            share_layer3: false,
            stem: None,
            zero_init_residual: false,
            pretrained: None,
        }
    }
}

impl ResNet {
    fn check(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("experts", Some(self.experts)),
            ("layer3_channels", self.layer3_channels),
            ("layer4_channels", self.layer4_channels),
        ];
        for (key, size) in sizes {
            if size == Some(0) {
                return Err(ConfigError::key(key, format!("{key} must be at least 1, found 0")));
            }
        }
        Ok(())
    }

    /// Widths of the third and the fourth stage.
    fn widths(&self) -> (usize, usize) {
        let (third, fourth) = if self.reduce_dimension { (192, 384) } else { (256, 512) };
        (self.layer3_channels.unwrap_or(third), self.layer4_channels.unwrap_or(fourth))
    }
}

/// What a stage is made of.
#[derive(Clone, Copy, Debug)]
enum Block {
    /// Two 3x3 convolutions (He et al. 2016, figure 5 left).
    Basic,
    /// 1x1, 3x3, 1x1 (figure 5 right), the 3x3 with the stride and, in `ResNeXt`, in groups of channels.
    Bottleneck { groups: usize, group_width: usize },
}

/// The ordinary bottleneck.
const BOTTLENECK: Block = Block::Bottleneck { groups: 1, group_width: 64 };
/// The bottleneck of `ResNeXt`, 32x4d: 32 groups of 4 channels at width 64.
const GROUPED: Block = Block::Bottleneck { groups: 32, group_width: 4 };

impl Block {
    /// Channels that a stage of this width puts out.
    fn output(self, width: usize) -> usize {
        match self {
            Self::Basic => width,
            Self::Bottleneck { .. } => 4 * width,
        }
    }
}

/// A network of these settings and this depth.
struct Construction<'a> {
    settings: &'a ResNet,
    block: Block,
    /// Blocks of each stage.
    blocks: [usize; 4],
    stem: Stem,
}

impl Construction<'_> {
    /// The whole network: one feature vector per expert.
    fn features(&self, net: &mut NetBuilder) -> Result<Vec<NodeId>, NetError> {
        let ResNet { experts, share_layer3, .. } = *self.settings;
        let (layer3, layer4) = self.settings.widths();
        let stem = match self.settings.stem.unwrap_or(self.stem) {
            Stem::Conv7 => conv(64, 7).stride(2).padding(3),
            Stem::Conv3 => conv(64, 3).padding(1),
        };
        let x = net.conv(net.input(), "conv1", stem)?;
        let x = net.batch_norm(x, "bn1", BatchNorm::new())?;
        let x = net.relu(x)?;
        let x = net.max_pool(x, Window::new(3).stride(2).padding(1))?;
        let x = self.stage(net, x, "layer1", 0, 64)?;
        let x = self.stage(net, x, "layer2", 1, 128)?;
        let x = branch(net, experts, share_layer3, &[x], "layer3", |net, x, name| {
            self.stage(net, x, name, 2, layer3)
        })?;
        let x =
            branch(net, experts, false, &x, "layer4", |net, x, name| self.stage(net, x, name, 3, layer4))?;
        pool(net, experts, &x)
    }

    /// One stage, by its place from 0 to 3; all but the first halve height and width.
    fn stage(
        &self,
        net: &mut NetBuilder,
        mut x: NodeId,
        name: &str,
        place: usize,
        width: usize,
    ) -> Result<NodeId, NetError> {
        for block in 0..self.blocks[place] {
            let stride = if block == 0 && place > 0 { 2 } else { 1 };
            x = self.block(net, x, &format!("{name}.{block}"), width, stride)?;
        }
        Ok(x)
    }

    fn block(
        &self,
        net: &mut NetBuilder,
        x: NodeId,
        name: &str,
        width: usize,
        stride: usize,
    ) -> Result<NodeId, NetError> {
        let output = self.block.output(width);
        let convolutions = match self.block {
            Block::Basic => vec![conv(width, 3).stride(stride).padding(1), conv(output, 3).padding(1)],
            Block::Bottleneck { groups, group_width } => {
                let inner = groups * (width * group_width / 64).max(1);
                vec![conv(inner, 1), conv(inner, 3).stride(stride).padding(1).groups(groups), conv(output, 1)]
            }
        };
        let last = convolutions.len();
        let mut y = x;
        for (number, convolution) in (1..).zip(convolutions) {
            y = net.conv(y, format!("{name}.conv{number}"), convolution)?;
            let zero = number == last && self.settings.zero_init_residual;
            let norm = BatchNorm::new().gamma(if zero { 0.0 } else { 1.0 });
            y = net.batch_norm(y, format!("{name}.bn{number}"), norm)?;
            if number < last {
                y = net.relu(y)?;
            }
        }
        let shortcut = if stride == 1 && net.shape(x)?.channels == output {
            x
        } else {
            let x = net.conv(x, format!("{name}.downsample.0"), conv(output, 1).stride(stride))?;
            net.batch_norm(x, format!("{name}.downsample.1"), BatchNorm::new())?
        };
        let y = net.add(y, shortcut)?;
        net.relu(y)
    }
}

/// A convolution that starts as the reference's do: normal with variance 2/fan-out.
fn conv(channels: usize, kernel: usize) -> Conv {
    Conv::new(channels, kernel).init(WeightInit::KaimingNormal(Fan::Out))
}

/// One network: the settings under a type of its own, and its registration.
macro_rules! network {
    ($network:ident $name:literal, $block:expr, $blocks:expr, $stem:ident, $summary:literal, $paper:literal, $example:literal) => {
        #[doc = $summary]
        #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $network(pub ResNet);

        impl Component for $network {
            fn check(&self) -> Result<(), ConfigError> {
                self.0.check()
            }
        }

        impl Backbone for $network {
            fn experts(&self) -> usize {
                self.0.experts
            }

            fn describe(&self, net: &mut NetBuilder) -> Result<Vec<NodeId>, NetError> {
                let construction =
                    Construction { settings: &self.0, block: $block, blocks: $blocks, stem: Stem::$stem };
                construction.features(net)
            }

            fn pretrained(&self) -> Option<&Path> {
                self.0.pretrained.as_ref().map(FilePath::as_path)
            }
        }

        register! {
            Backbone $name => $network,
            summary: $summary,
            paper: $paper,
            example: $example,
        }
    };
}

network!(ResNet10 "resnet10", Block::Basic, [1, 1, 1, 1], Conv7, "ResNet-10 for large images, later stages per expert",
    "He et al., Deep residual learning for image recognition, CVPR 2016, section 4.1", r#"
kind = "resnet10"
experts = 3
"#);

network!(ResNet34 "resnet34", Block::Basic, [3, 4, 6, 3], Conv3, "ResNet-34 for large images, later stages per expert",
    "He et al., Deep residual learning for image recognition, CVPR 2016, section 4.1", r#"
kind = "resnet34"
experts = 3
"#);

network!(ResNet50 "resnet50", BOTTLENECK, [3, 4, 6, 3], Conv7, "ResNet-50 for large images, later stages per expert",
    "He et al., Deep residual learning for image recognition, CVPR 2016, section 4.1", r#"
kind = "resnet50"
experts = 3
"#);

network!(ResNet101 "resnet101", BOTTLENECK, [3, 4, 23, 3], Conv7, "ResNet-101 for large images, later stages per expert",
    "He et al., Deep residual learning for image recognition, CVPR 2016, section 4.1", r#"
kind = "resnet101"
experts = 3
"#);

network!(ResNet152 "resnet152", BOTTLENECK, [3, 8, 36, 3], Conv7, "ResNet-152 for large images, later stages per expert",
    "He et al., Deep residual learning for image recognition, CVPR 2016, section 4.1", r#"
kind = "resnet152"
experts = 3
"#);

network!(ResNeXt50 "resnext50", GROUPED, [3, 4, 6, 3], Conv7, "ResNeXt-50 32x4d, later stages per expert",
    "Xie et al., Aggregated residual transformations for deep neural networks, CVPR 2017, table 1", r#"
kind = "resnext50"
experts = 3
"#);

network!(ResNeXt101 "resnext101", GROUPED, [3, 4, 23, 3], Conv7, "ResNeXt-101 32x4d, later stages per expert",
    "Xie et al., Aggregated residual transformations for deep neural networks, CVPR 2017, section 4.1", r#"
kind = "resnext101"
experts = 3
"#);

network!(ResNeXt152 "resnext152", GROUPED, [3, 8, 36, 3], Conv7, "ResNeXt-152 32x4d, later stages per expert",
    "Xie et al., Aggregated residual transformations for deep neural networks, CVPR 2017, section 4.1", r#"
kind = "resnext152"
experts = 3
"#);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heads::Cosine;
    use balpoe_core::components::ExpertHead;
    use balpoe_net::{Net, Shape};

    fn net(backbone: &dyn Backbone, classes: usize) -> Net {
        let mut net = NetBuilder::new(Shape::new(224, 224, 3));
        let features = backbone.describe(&mut net).unwrap();
        assert_eq!(features.len(), backbone.experts());
        for (expert, feature) in features.into_iter().enumerate() {
            let name = if backbone.experts() == 1 { "linear".into() } else { format!("linears.{expert}") };
            let logits = Cosine::default().lower(&mut net, feature, &name, classes).unwrap().unwrap();
            net.output(format!("logits.{expert}"), logits).unwrap();
        }
        net.finish().unwrap()
    }

    /// Counted on the reference implementation with a 224x224 input: network, classes, parameters, 10^-3 GMAC.
    #[test]
    fn counts_are_those_of_the_reference() {
        let with = |experts| ResNet { experts, ..ResNet::default() };
        let reduced = || ResNet { reduce_dimension: true, ..ResNet::default() };
        let shared = || ResNet { share_layer3: true, ..ResNet::default() };
        let rows: [(Box<dyn Backbone>, usize, usize, u64); 17] = [
            (Box::new(ResNet10(with(1))), 1000, 5_417_792, 889),
            (Box::new(ResNet10(with(3))), 1000, 15_626_048, 1_610),
            (Box::new(ResNet34(with(1))), 1000, 21_788_992, 14_268),
            (Box::new(ResNet34(with(3))), 1000, 62_686_528, 30_094),
            (Box::new(ResNet50(with(1))), 1000, 25_556_032, 4_089),
            (Box::new(ResNet50(with(3))), 1000, 73_778_240, 8_640),
            (Box::new(ResNet50(reduced())), 1000, 43_677_248, 5_770),
            (Box::new(ResNet50(with(1))), 8142, 40_182_848, 4_104),
            (Box::new(ResNet50(with(3))), 8142, 117_658_688, 8_684),
            (Box::new(ResNet50(shared())), 8142, 103_461_952, 5_756),
            (Box::new(ResNeXt50(with(1))), 1000, 25_027_904, 4_230),
            (Box::new(ResNeXt50(with(3))), 1000, 72_258_880, 9_016),
            (Box::new(ResNeXt50(reduced())), 1000, 42_889_024, 6_050),
            (Box::new(ResNet101(with(1))), 1000, 44_548_160, 7_801),
            (Box::new(ResNet101(with(3))), 1000, 130_754_624, 19_777),
            (Box::new(ResNet152(with(1))), 365, 58_891_328, 11_512),
            (Box::new(ResNet152(shared())), 365, 90_315_840, 13_132),
        ];
        for (backbone, classes, parameters, gmac) in rows {
            let net = net(&*backbone, classes);
            assert_eq!(net.parameter_count(), parameters, "{backbone:?}, {classes} classes");
            assert_eq!((net.multiply_adds() + 500_000) / 1_000_000, gmac, "{backbone:?}, {classes} classes");
        }
    }

    #[test]
    fn names_are_those_of_the_reference() {
        let several = net(&ResNet50::default(), 10);
        for name in [
            "conv1.weight",
            "layer1.0.downsample.0.weight",
            "layer2.3.bn3.bias",
            "layer3s.1.0.downsample.1.weight",
            "layer4s.2.2.conv3.weight",
            "linears.0.weight",
        ] {
            assert!(several.parameter_index(name).is_some(), "{name}");
        }
        let shared = net(&ResNet50(ResNet { share_layer3: true, ..ResNet::default() }), 10);
        assert!(shared.parameter_index("layer3.5.conv2.weight").is_some());
        assert!(shared.parameter_index("layer4s.2.0.conv2.weight").is_some());
        let one = net(&ResNet34(ResNet { experts: 1, ..ResNet::default() }), 10);
        assert!(one.parameter_index("layer4.2.bn2.weight").is_some());
        assert!(one.parameter_index("linear.weight").is_some());
    }

    #[test]
    fn impossible_settings_are_refused() {
        let refused = ResNet { layer3_channels: Some(0), ..ResNet::default() }.check().unwrap_err();
        assert!(refused.to_string().contains("layer3_channels must be at least 1"), "{refused}");
        ResNet::default().check().unwrap();
    }
}
