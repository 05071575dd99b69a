//! Shapes, names, counts and refusals of the network builder.

use balpoe_net::{
    BatchNorm, Conv, Fan, Init, Net, NetBuilder, NetError, NodeId, Op, Shape, WeightInit, Window,
};

/// A residual block with the parameter-free shortcut, as `CIFAR` networks have them.
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
    let y = net.batch_norm(y, format!("{name}.bn2"), BatchNorm::new().gamma(0.0))?;
    let shortcut = if stride == 1 { x } else { net.subsample_pad(x, stride, width)? };
    let y = net.add(y, shortcut)?;
    net.relu(y)
}

fn two_experts() -> Result<Net, NetError> {
    let mut net = NetBuilder::new(Shape::new(9, 8, 3));
    let x = net.conv(net.input(), "conv1", Conv::new(4, 3).padding(1))?;
    let x = net.batch_norm(x, "bn1", BatchNorm::new())?;
    let x = net.relu(x)?;
    for expert in 0..2 {
        let y = block(&mut net, x, &format!("layer2s.{expert}.0"), 8, 2)?;
        let y = net.global_average_pool(y)?;
        let y = net.cosine_linear(y, format!("linears.{expert}"), 5, 30.0)?;
        net.output(format!("logits.{expert}"), y)?;
    }
    net.finish()
}

#[test]
fn counts_and_names_of_a_network_with_experts() -> Result<(), NetError> {
    let net = two_experts()?;
    // Stem 3*4*9 weights and a norm of 4; each expert 4*8*9 + 8*8*9 weights, two norms of 8, and an 8x5 head.
    assert_eq!(net.parameter_count(), 108 + 8 + 2 * (288 + 576 + 32 + 40));
    // Multiply-adds: weights times output pixels; stride 2 keeps 5x4 of 9x8 pixels.
    assert_eq!(net.multiply_adds(), 108 * 72 + 2 * (288 * 20 + 576 * 20 + 40));
    let names: Vec<&str> = net.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(
        names[..5],
        ["conv1.weight", "bn1.weight", "bn1.bias", "layer2s.0.0.conv1.weight", "layer2s.0.0.bn1.weight"]
    );
    assert_eq!(names.last(), Some(&"linears.1.weight"));
    assert_eq!(net.buffers()[1].name, "bn1.running_var");
    assert_eq!((net.buffers()[0].initial, net.buffers()[1].initial), (0.0, 1.0));
    assert_eq!(net.outputs()[1].name, "logits.1");
    assert_eq!(net.node(net.outputs()[1].node).shape, Shape::vector(5));
    Ok(())
}

#[test]
fn nodes_come_after_their_inputs() -> Result<(), NetError> {
    for (index, node) in two_experts()?.nodes().iter().enumerate() {
        assert!(node.inputs.iter().all(|input| input.index() < index), "{}", node.name);
    }
    Ok(())
}

#[test]
fn shapes_follow_windows() -> Result<(), NetError> {
    let mut net = NetBuilder::new(Shape::new(224, 200, 3));
    let x = net.conv(net.input(), "conv1", Conv::new(64, 7).stride(2).padding(3))?;
    assert_eq!(net.shape(x)?, Shape::new(112, 100, 64));
    let x = net.max_pool(x, Window::new(3).stride(2).padding(1))?;
    assert_eq!(net.shape(x)?, Shape::new(56, 50, 64));
    let grouped = net.conv(x, "grouped", Conv::new(32, 3).groups(32))?;
    assert_eq!(net.shape(grouped)?, Shape::new(54, 48, 32));
    let pooled = net.average_pool(grouped, Window::new(5))?;
    assert_eq!(net.shape(pooled)?, Shape::new(10, 9, 32));
    let both = net.concat(&[grouped, grouped])?;
    assert_eq!(net.shape(both)?, Shape::new(54, 48, 64));
    let shortcut = net.subsample_pad(grouped, 5, 37)?;
    assert_eq!(net.shape(shortcut)?, Shape::new(11, 10, 37));
    net.output("out", shortcut)?;
    let net = net.finish()?;
    assert_eq!(net.parameters()[1].shape, [32, 2, 3, 3]);
    Ok(())
}

#[test]
fn initial_distributions_follow_the_fan() -> Result<(), NetError> {
    let sizes = [32, 4, 3, 3];
    let Init::Normal { std } = WeightInit::KaimingNormal(Fan::In).resolve(sizes) else { unreachable!() };
    assert!((std - (2.0f32 / 36.0).sqrt()).abs() < 1e-7);
    let Init::Normal { std } = WeightInit::KaimingNormal(Fan::Out).resolve(sizes) else { unreachable!() };
    assert!((std - (2.0f32 / 288.0).sqrt()).abs() < 1e-7);
    assert_eq!(Init::uniform_by_fan(64), Init::Uniform { low: -0.125, high: 0.125 });

    let mut net = NetBuilder::new(Shape::vector(64));
    let bias = Some(Init::uniform_by_fan(64));
    let logits = net.linear(net.input(), "linear", 10, bias, Init::uniform_by_fan(64))?;
    let extra = net.parameter("temperature", &[3], Init::Constant(1.0))?;
    net.output("logits", logits)?;
    let net = net.finish()?;
    assert_eq!(net.parameters()[0].shape, [10, 64]);
    assert_eq!(net.parameter_index("temperature"), Some(extra.index()));
    assert_eq!((net.parameter_count(), net.multiply_adds()), (640 + 10 + 3, 640));
    Ok(())
}

#[test]
fn canonical_text_tells_networks_apart() -> Result<(), NetError> {
    let text = two_experts()?.canonical_text();
    assert_eq!(text, two_experts()?.canonical_text());
    let build = |slope: f32, std: f32| {
        let mut net = NetBuilder::new(Shape::new(4, 4, 3));
        let x = net.conv(net.input(), "conv", Conv::new(2, 3).init(Init::Normal { std }))?;
        let x = net.leaky_relu(x, slope)?;
        net.output("out", x)?;
        net.finish().map(|net| net.canonical_text())
    };
    let text = build(0.1, 0.5)?;
    assert_ne!(text, build(0.2, 0.5)?);
    assert_ne!(text, build(0.1, 0.25)?);
    // Hashes of stored runs depend on this text: changing it needs a new version in its first line.
    assert_eq!(
        text,
        "balpoe-net 1\n\
         node 0 input input [] 4x4x3\n\
         node 1 conv conv(weight=0 bias=none kernel=3x3 stride=1x1 padding=0x0 groups=1) [0] 2x2x2\n\
         node 2 leaky_relu leaky_relu(slope=0.1) [1] 2x2x2\n\
         parameter conv.weight [2,3,3,3] normal(std=0.5)\n\
         output out 2\n"
    );
    Ok(())
}

#[test]
fn table_has_a_line_for_each_operation_and_totals() -> Result<(), NetError> {
    let net = two_experts()?;
    let table = net.to_string();
    assert_eq!(table.lines().count(), 1 + net.nodes().len() + 2 + 1);
    assert!(table.contains("layer2s.1.0.conv1"), "{table}");
    assert!(table.ends_with("1988 parameters, 42416 multiply-adds per image"), "{table}");
    Ok(())
}

#[test]
fn wrong_descriptions_are_refused_in_plain_words() -> Result<(), NetError> {
    let mut net = NetBuilder::new(Shape::new(4, 6, 6));
    let x = net.input();
    let small = net.max_pool(x, Window::new(2))?;
    let message = |result: Result<NodeId, NetError>| result.map_err(|error| error.to_string()).unwrap_err();

    assert!(
        message(net.conv(x, "c", Conv::new(8, 7).padding(1)))
            .contains("at least 7x7 padded pixels, found 4x6x6")
    );
    assert!(
        message(net.conv(x, "c", Conv::new(8, 3).groups(4)))
            .contains("cannot divide 6 channels into 4 groups")
    );
    assert!(message(net.conv(x, "c", Conv::new(8, 3).stride(0))).contains("stride of c is zero"));
    assert!(message(net.conv(x, "c", Conv::new(0, 3))).contains("out_channels of c is zero"));
    assert!(message(net.add(x, small)).contains("found 4x6x6 and 2x3x6"));
    assert!(message(net.concat(&[x, small])).contains("one height and width"));
    assert!(message(net.concat(&[])).contains("no inputs"));
    assert!(message(net.max_pool(x, Window::new(2).padding(2))).contains("use at most 1"));
    assert!(message(net.cosine_linear(x, "l", 10, 30.0)).contains("global_average_pool"));
    assert!(message(net.subsample_pad(x, 2, 5)).contains("cannot reduce 6 channels to 5"));
    assert!(message(net.leaky_relu(x, -0.5)).contains("slope"));

    net.conv(x, "conv1", Conv::new(8, 3))?;
    assert!(message(net.conv(x, "conv1", Conv::new(8, 3))).contains("conv1.weight is taken"));
    assert_eq!(net.clone().finish(), Err(NetError::NoOutput));
    net.output("x", x)?;
    assert_eq!(net.output("x", x), Err(NetError::DuplicateName { name: "x".into() }));

    let mut other = NetBuilder::new(Shape::vector(3));
    assert_eq!(other.relu(small), Err(NetError::UnknownNode { index: 1, nodes: 1 }));
    other.output("x", other.input())?;
    assert_eq!(other.finish()?.nodes()[0].op, Op::Input);
    assert_eq!(
        NetBuilder::new(Shape::vector(0)).finish().unwrap_err().to_string(),
        "a side of input is zero; it must be at least 1"
    );
    Ok(())
}
