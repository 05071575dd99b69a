//! What the self-check computes: a small network with every operation, and numbers for it.

use balpoe_net::{BatchNorm, Conv, Init, Net, NetBuilder, NetError, NodeId, Shape, Window};

/// Classes of both heads.
pub(super) const CLASSES: usize = 11;

/// Outputs that are logits come first.
pub(super) const EXPERTS: usize = 2;

/// Every operation that a network may have, with the channel counts that networks have: few in the stem, multiples of eight
/// behind it. Batch norms keep it tame, so that rounding stays rounding.
pub(super) fn network() -> Result<Net, NetError> {
    let mut net = NetBuilder::new(Shape::new(12, 20, 3));
    let stem = net.conv(net.input(), "stem", Conv::new(16, 3).padding(1))?;
    let stem = normalised(&mut net, stem, "stem.norm")?;
    let stem = net.relu(stem)?;
    let block = residual_block(&mut net, stem)?;
    let wide = projected_block(&mut net, block)?;
    let pooled = net.max_pool(wide, Window::new(3).stride(2).padding(1))?;
    let averaged = net.average_pool(wide, Window::new(2))?;
    // A bias before a batch norm would have no gradient.
    let averaged = net.conv(averaged, "mixed", Conv::new(16, 1).bias(Init::Constant(0.0)))?;
    let averaged = net.leaky_relu(averaged, 0.2)?;
    let all = net.concat(&[pooled, averaged])?;
    let all = net.conv(all, "last", Conv::new(24, 3).padding(1))?;
    let all = normalised(&mut net, all, "last.norm")?;
    let features = net.global_average_pool(all)?;
    let cosine = net.cosine_linear(features, "cosine", CLASSES, 8.0)?;
    let linear =
        net.linear(features, "linear", CLASSES, Some(Init::Constant(0.0)), Init::uniform_by_fan(24))?;
    net.output("cosine", cosine)?;
    net.output("linear", linear)?;
    net.output("features", features)?;
    net.finish()
}

/// Halves the map and doubles the channels around the shortcut without parameters.
fn residual_block(net: &mut NetBuilder, x: NodeId) -> Result<NodeId, NetError> {
    let y = net.conv(x, "block.conv1", Conv::new(32, 3).padding(1).stride(2))?;
    let y = normalised(net, y, "block.norm1")?;
    let y = net.relu(y)?;
    let y = net.conv(y, "block.conv2", Conv::new(32, 3).padding(1))?;
    let y = normalised(net, y, "block.norm2")?;
    let shortcut = net.subsample_pad(x, 2, 32)?;
    let y = net.add(y, shortcut)?;
    net.relu(y)
}

/// A bottleneck in groups beside a projection.
fn projected_block(net: &mut NetBuilder, x: NodeId) -> Result<NodeId, NetError> {
    let y = net.conv(x, "wide.conv1", Conv::new(16, 1))?;
    let y = normalised(net, y, "wide.norm1")?;
    let y = net.relu(y)?;
    let y = net.conv(y, "wide.conv2", Conv::new(16, 3).padding(1).groups(4))?;
    let y = normalised(net, y, "wide.norm2")?;
    let y = net.relu(y)?;
    let y = net.conv(y, "wide.conv3", Conv::new(40, 1))?;
    let y = normalised(net, y, "wide.norm3")?;
    let shortcut = net.conv(x, "wide.projection", Conv::new(40, 1))?;
    let shortcut = normalised(net, shortcut, "wide.projection.norm")?;
    let y = net.add(y, shortcut)?;
    net.relu(y)
}

fn normalised(net: &mut NetBuilder, x: NodeId, name: &str) -> Result<NodeId, NetError> {
    net.batch_norm(x, name, BatchNorm { epsilon: 1e-2, ..BatchNorm::new() })
}

/// Numbers that are the same on every machine: Knuth's MMIX congruence.
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// Uniform in `[-1, 1)`.
    pub(super) fn value(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(super) fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.value()).collect()
    }

    /// Below `limit`.
    pub(super) fn label(&mut self, limit: usize) -> u32 {
        (((self.value() + 1.0) * 0.5 * limit as f32) as u32).min(limit as u32 - 1)
    }

    /// Values for every parameter that keep maps of order one.
    pub(super) fn parameters(&mut self, net: &Net) -> Vec<Vec<f32>> {
        let mut all = Vec::new();
        for parameter in net.parameters() {
            let values = self.values(parameter.len());
            let scaled = match (&parameter.shape[..], parameter.init) {
                ([_], Init::Constant(1.0)) => values.iter().map(|value| 1.0 + 0.5 * value).collect(),
                ([_], _) => values,
                (shape, _) => {
                    let fan: usize = shape[1..].iter().product();
                    let bound = (3.0 / fan as f32).sqrt();
                    values.iter().map(|value| value * bound).collect()
                }
            };
            all.push(scaled);
        }
        all
    }
}
