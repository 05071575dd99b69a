//! ResNet-32 for 32x32 images, as the experiments on CIFAR-100-LT have it.

use balpoe_net::{BatchNorm, Conv, Net, NetBuilder, NetError, NodeId, Shape};

pub(crate) const BATCH: usize = 128;
pub(crate) const CLASSES: usize = 100;

fn block(
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
    let shortcut = if stride == 1 { x } else { net.subsample_pad(x, stride, width)? };
    let y = net.add(y, shortcut)?;
    net.relu(y)
}

/// Experts on a shared first stage, with cosine heads.
pub(crate) fn resnet32(experts: usize) -> Result<Net, NetError> {
    let mut net = NetBuilder::new(Shape::new(32, 32, 3));
    let x = net.conv(net.input(), "conv1", Conv::new(16, 3).padding(1))?;
    let x = net.batch_norm(x, "bn1", BatchNorm::new())?;
    let mut trunk = net.relu(x)?;
    for i in 0..5 {
        trunk = block(&mut net, trunk, &format!("layer1.{i}"), 16, 1)?;
    }
    for expert in 0..experts {
        let mut x = trunk;
        for (stage, width) in [("layer2s", 32), ("layer3s", 64)] {
            for i in 0..5 {
                x = block(&mut net, x, &format!("{stage}.{expert}.{i}"), width, if i == 0 { 2 } else { 1 })?;
            }
        }
        let features = net.global_average_pool(x)?;
        let logits = net.cosine_linear(features, format!("linears.{expert}"), CLASSES, 30.0)?;
        net.output(format!("logits.{expert}"), logits)?;
    }
    net.finish()
}
