//! What the self-check computes: a small network with every operation.

use balpoe_net::{BatchNorm, Conv, Init, Net, NetBuilder, NetError, NodeId, Shape, Window};

/// Classes of both heads.
pub(super) const CLASSES: usize = 11;

/// Outputs that are logits come first.
pub(super) const EXPERTS: usize = 2;

/// The weight of the convolution whose results no precision rounds, see [`super::numbers`].
pub(super) const EXACT: &str = "exact.weight";

/// Every operation that a network may have, with the channel counts that networks have: few in the stem, multiples of eight
/// behind it. Batch norms keep it tame, so that rounding stays rounding.
pub(super) fn network() -> Result<Net, NetError> {
    let mut net = NetBuilder::new(Shape::new(12, 20, 3));
    let stem = net.conv(net.input(), "stem", Conv::new(16, 3).padding(1))?;
    let stem = normalised(&mut net, stem, "stem.norm")?;
    let stem = net.relu(stem)?;
    let block = residual_block(&mut net, stem)?;
    let wide = projected_block(&mut net, block)?;
    let averaged = net.average_pool(wide, Window::new(2))?;
    // A bias before a batch norm would have no gradient.
    let averaged = net.conv(averaged, "mixed", Conv::new(16, 1).bias(Init::Constant(0.0)))?;
    let pooled = exact_branch(&mut net)?;
    let all = net.concat(&[pooled, averaged])?;
    let all = net.conv(all, "last", Conv::new(24, 3).padding(1))?;
    let all = normalised(&mut net, all, "last.norm")?;
    let all = net.relu(all)?;
    let features = net.global_average_pool(all)?;
    let cosine = net.cosine_linear(features, "cosine", CLASSES, 8.0)?;
    let linear =
        net.linear(features, "linear", CLASSES, Some(Init::Constant(0.0)), Init::uniform_by_fan(24))?;
    net.output("cosine", cosine)?;
    net.output("linear", linear)?;
    net.output("features", features)?;
    let narrow = narrow_branch(&mut net)?;
    net.output("narrow", narrow)?;
    net.finish()
}

/// What chooses between pixels, or by the sign of one, on numbers that no precision rounds: where two pixels of a window are
/// nearly the same, rounding would decide which of them gets the gradient.
fn exact_branch(net: &mut NetBuilder) -> Result<NodeId, NetError> {
    let window = Window::new(3).stride(2).padding(1);
    let x = net.conv(net.input(), "exact", Conv::new(16, 3).padding(1))?;
    let x = net.leaky_relu(x, 0.25)?;
    let x = net.max_pool(x, window)?;
    let x = net.relu(x)?;
    net.max_pool(x, window)
}

/// Few channels all along, which kernels take one at a time, and windows of more places than a byte can tell. The pixels of an
/// image have so few digits that they keep their order when they are normalised.
fn narrow_branch(net: &mut NetBuilder) -> Result<NodeId, NetError> {
    let window = Window::new(17).stride(6).padding(8);
    let active = normalised(net, net.input(), "narrow.first.norm")?;
    let active = net.leaky_relu(active, 0.2)?;
    let largest = net.max_pool(active, window)?;
    let plain = normalised(net, net.input(), "narrow.second.norm")?;
    let mean = net.average_pool(plain, window)?;
    net.concat(&[largest, mean])
}

/// Halves the map and doubles the channels around the shortcut without parameters.
fn residual_block(net: &mut NetBuilder, x: NodeId) -> Result<NodeId, NetError> {
    let y = net.conv(x, "block.conv1", Conv::new(32, 3).padding(1).stride(2))?;
    let y = normalised(net, y, "block.first.norm")?;
    let y = net.relu(y)?;
    let y = net.conv(y, "block.conv2", Conv::new(32, 3).padding(1))?;
    let y = normalised(net, y, "block.norm")?;
    let shortcut = net.subsample_pad(x, 2, 32)?;
    let y = net.add(y, shortcut)?;
    net.relu(y)
}

/// A bottleneck in groups beside a projection.
fn projected_block(net: &mut NetBuilder, x: NodeId) -> Result<NodeId, NetError> {
    let y = net.conv(x, "wide.conv1", Conv::new(16, 1))?;
    let y = normalised(net, y, "wide.first.norm")?;
    let y = net.relu(y)?;
    let y = net.conv(y, "wide.conv2", Conv::new(16, 3).padding(1).groups(4))?;
    let y = normalised(net, y, "wide.second.norm")?;
    let y = net.relu(y)?;
    let y = net.conv(y, "wide.conv3", Conv::new(40, 1))?;
    let y = normalised(net, y, "wide.norm")?;
    let shortcut = net.conv(x, "wide.projection", Conv::new(40, 1))?;
    let shortcut = normalised(net, shortcut, "wide.projection.norm")?;
    let y = net.add(y, shortcut)?;
    net.relu(y)
}

/// Epsilon and momentum are large, since nobody would see a wrong one that is far below what it is added to.
fn normalised(net: &mut NetBuilder, x: NodeId, name: &str) -> Result<NodeId, NetError> {
    net.batch_norm(x, name, BatchNorm { epsilon: 0.02, momentum: 0.75, ..BatchNorm::new() })
}
