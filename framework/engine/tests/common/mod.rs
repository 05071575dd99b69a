//! Random numbers and random networks for the tests of the engine.

#![allow(dead_code, reason = "each test file uses its part")]

use balpoe_engine::CpuExecutor;
use balpoe_net::{BatchNorm, Conv, Init, Net, NetBuilder, NetError, NodeId, Shape, Window};

/// A small generator, so that tests do not depend on another crate's stream: Knuth's MMIX congruence.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }

    /// Uniform in `[-1, 1)`.
    pub(crate) fn value(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.value()).collect()
    }

    /// Below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (((self.value() + 1.0) * 0.5 * limit as f32) as usize).min(limit - 1)
    }
}

/// Parameters that keep values of order one: weights shrink with their fan, scales lie around one.
pub(crate) fn parameters(net: &Net, random: &mut Random) -> Vec<Vec<f32>> {
    net.parameters()
        .iter()
        .map(|parameter| {
            let values = random.values(parameter.len());
            match (parameter.shape.len(), parameter.init) {
                (1, Init::Constant(1.0)) => values.iter().map(|value| 1.0 + 0.5 * value).collect(),
                (1, _) => values,
                _ => {
                    let fan: usize = parameter.shape[1..].iter().product();
                    let bound = (3.0 / fan as f32).sqrt();
                    values.iter().map(|value| value * bound).collect()
                }
            }
        })
        .collect()
}

/// Gives an executor its parameters.
pub(crate) fn load(executor: &mut CpuExecutor, parameters: &[Vec<f32>]) {
    for (i, values) in parameters.iter().enumerate() {
        executor.parameter_mut(i).copy_from_slice(values);
    }
}

/// A batch norm whose epsilon keeps the gradient tame where only a few values are normalised.
pub(crate) fn tame_norm() -> BatchNorm {
    BatchNorm { epsilon: 0.1, ..BatchNorm::new() }
}

/// A residual block with the parameter-free shortcut.
pub(crate) fn block(
    net: &mut NetBuilder,
    x: NodeId,
    name: &str,
    width: usize,
    stride: usize,
) -> Result<NodeId, NetError> {
    let y = net.conv(x, format!("{name}.conv1"), Conv::new(width, 3).padding(1).stride(stride))?;
    let y = net.batch_norm(y, format!("{name}.bn1"), BatchNorm::new())?;
    let y = net.relu(y)?;
    let y = net.conv(y, format!("{name}.conv2"), Conv::new(width, 3).padding(1))?;
    let y = net.batch_norm(y, format!("{name}.bn2"), BatchNorm::new())?;
    let changes = stride != 1 || net.shape(x)?.channels != width;
    let shortcut = if changes { net.subsample_pad(x, stride, width)? } else { x };
    let y = net.add(y, shortcut)?;
    net.relu(y)
}

/// A CIFAR ResNet with a shared stem and first stage; further stages and cosine heads per expert.
pub(crate) fn resnet(
    image: Shape,
    widths: [usize; 3],
    depth: usize,
    experts: usize,
    classes: usize,
) -> Result<Net, NetError> {
    let mut net = NetBuilder::new(image);
    let x = net.conv(net.input(), "conv1", Conv::new(widths[0], 3).padding(1))?;
    let x = net.batch_norm(x, "bn1", BatchNorm::new())?;
    let mut trunk = net.relu(x)?;
    for i in 0..depth {
        trunk = block(&mut net, trunk, &format!("layer1.{i}"), widths[0], 1)?;
    }
    for expert in 0..experts {
        let mut x = trunk;
        for (stage, width) in [("layer2s", widths[1]), ("layer3s", widths[2])] {
            for i in 0..depth {
                x = block(&mut net, x, &format!("{stage}.{expert}.{i}"), width, if i == 0 { 2 } else { 1 })?;
            }
        }
        let features = net.global_average_pool(x)?;
        let logits = net.cosine_linear(features, format!("linears.{expert}"), classes, 30.0)?;
        net.output(format!("features.{expert}"), features)?;
        net.output(format!("logits.{expert}"), logits)?;
    }
    net.finish()
}

/// A network of random operations on random earlier values: every operation, any connection.
pub(crate) fn random_net(image: Shape, operations: usize, random: &mut Random) -> Result<Net, NetError> {
    let mut net = NetBuilder::new(image);
    let mut nodes = vec![net.input()];
    let mut read = Vec::new();
    for index in 0..operations {
        // Mostly the newest values, so that networks are deep as well as wide.
        let recent = nodes.len().min(3);
        let x = nodes[nodes.len() - 1 - random.below(recent)];
        let shape = net.shape(x)?;
        let channels = [1, 3, 5, 16, 20, 33][random.below(6)];
        let name = format!("op{index}");
        let choice = random.below(14);
        let node = match choice {
            0 | 1 => net.conv(x, name, Conv::new(channels, 3).padding(1))?,
            2 => net.conv(x, name, Conv::new(channels, 3).padding(1).stride(2))?,
            3 => net.conv(x, name, Conv::new(channels, 1).bias(Init::Constant(0.0)))?,
            4 => {
                let groups = if shape.channels.is_multiple_of(2) { 2 } else { 1 };
                net.conv(x, name, Conv::new(2 * channels, 3).padding(1).groups(groups))?
            }
            5 | 6 => net.batch_norm(x, name, tame_norm())?,
            7 | 8 => net.relu(x)?,
            9 => net.leaky_relu(x, 0.25)?,
            10 => {
                let same = |node: &NodeId| net.shape(*node).is_ok_and(|other| other == shape);
                let other = nodes.iter().copied().rev().filter(same).nth(random.below(2)).unwrap_or(x);
                net.add(x, other)?
            }
            11 => {
                let side = |node: &NodeId| {
                    let other = net.shape(*node);
                    other.is_ok_and(|other| (other.height, other.width) == (shape.height, shape.width))
                };
                let other = nodes.iter().copied().find(side).unwrap_or(x);
                net.concat(&[x, other])?
            }
            12 if shape.height > 1 && shape.width > 1 => {
                if random.below(2) == 0 {
                    net.max_pool(x, Window::new(3).stride(2).padding(1))?
                } else {
                    net.average_pool(x, Window::new(2))?
                }
            }
            _ => net.subsample_pad(x, 1 + random.below(2), shape.channels + random.below(20))?,
        };
        nodes.push(node);
        read.push(x);
    }
    let last = nodes[nodes.len() - 1];
    net.output("middle", nodes[nodes.len() / 2])?;
    for (index, node) in nodes.iter().enumerate().filter(|(_, node)| !read.contains(node)) {
        net.output(format!("leaf{index}"), *node)?;
    }
    let features = net.global_average_pool(last)?;
    let cosine = net.cosine_linear(features, "cosine", 7, 4.0)?;
    let linear = net.linear(features, "linear", 5, Some(Init::Constant(0.0)), Init::uniform_by_fan(8))?;
    let hidden = net.relu(linear)?;
    let deep = net.linear(hidden, "deep", 18, None, Init::uniform_by_fan(5))?;
    net.output("cosine", cosine)?;
    net.output("deep", deep)?;
    net.finish()
}

/// Largest difference over largest expected value; `floor` is the size below which differences do not matter.
pub(crate) fn relative_error(found: &[f32], expected: &[f64], floor: f64) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(floor, |largest, value| largest.max(value.abs()));
    let errors = found.iter().zip(expected).map(|(&found, &expected)| (f64::from(found) - expected).abs());
    // Not `f64::max`, which would hide what is not a number.
    errors.fold(0.0, |worst, error| if error <= worst { worst } else { error }) / largest
}
