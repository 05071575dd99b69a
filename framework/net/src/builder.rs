use crate::{
    Activation, BatchNorm, Buffer, BufferId, Conv, Init, Net, NetError, Node, NodeId, Op, Output, Parameter,
    ParameterId, Shape, Window,
};
use std::collections::BTreeSet;

/// Describes a network operation by operation. Every operation returns the [`NodeId`] of its value.
///
/// Operations with parameters take their scope, such as `layer1.0.conv1`; parameters are called by it as `PyTorch` calls
/// them (`….weight`, `….bias`, `….running_mean`, `….running_var`). Experts are written as a loop over branches.
#[derive(Clone, Debug)]
pub struct NetBuilder {
    nodes: Vec<Node>,
    parameters: Vec<Parameter>,
    buffers: Vec<Buffer>,
    outputs: Vec<Output>,
    names: BTreeSet<String>,
}

impl NetBuilder {
    /// A network of images of one shape, given as rows, columns, channels.
    pub fn new(input: Shape) -> Self {
        let node = Node { name: "input".into(), op: Op::Input, inputs: Vec::new(), shape: input };
        Self {
            nodes: vec![node],
            parameters: Vec::new(),
            buffers: Vec::new(),
            outputs: Vec::new(),
            names: BTreeSet::new(),
        }
    }

    /// The images.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// Parameters so far: the place of the next one in [`Net::parameters`].
    pub fn parameters(&self) -> usize {
        self.parameters.len()
    }

    /// Shape of a node's value, per image.
    ///
    /// # Errors
    /// [`NetError::UnknownNode`].
    pub fn shape(&self, x: NodeId) -> Result<Shape, NetError> {
        let unknown = NetError::UnknownNode { index: x.0, nodes: self.nodes.len() };
        self.nodes.get(x.0).map(|node| node.shape).ok_or(unknown)
    }

    /// A convolution; its weight is `{name}.weight`, `[out, in / groups, kernel height, kernel width]`.
    ///
    /// # Errors
    /// If a size is zero, the groups do not divide the channels, the kernel does not fit, or the name is taken.
    pub fn conv(&mut self, x: NodeId, name: impl Into<String>, conv: Conv) -> Result<NodeId, NetError> {
        let name = name.into();
        let input = self.shape(x)?;
        non_zero("out_channels", &name, conv.out_channels)?;
        non_zero("groups", &name, conv.groups)?;
        for channels in [input.channels, conv.out_channels] {
            if channels % conv.groups != 0 {
                return Err(NetError::Groups { name, channels, groups: conv.groups });
            }
        }
        let shape = windowed(&name, input, conv.out_channels, conv.window)?;
        let [height, width] = conv.window.kernel;
        let sizes = [conv.out_channels, input.channels / conv.groups, height, width];
        let weight = self.parameter(format!("{name}.weight"), &sizes, conv.init.resolve(sizes))?;
        let bias = self.bias(&name, conv.out_channels, conv.bias)?;
        let op = Op::Conv { weight, bias, window: conv.window, groups: conv.groups };
        Ok(self.push(name, op, vec![x], shape))
    }

    /// Batch normalisation with `{name}.weight` (gamma), `{name}.bias` (beta) and running statistics.
    ///
    /// # Errors
    /// If epsilon or momentum is out of range or the name is taken.
    pub fn batch_norm(
        &mut self,
        x: NodeId,
        name: impl Into<String>,
        norm: BatchNorm,
    ) -> Result<NodeId, NetError> {
        let name = name.into();
        let shape = self.shape(x)?;
        in_range("epsilon", &name, norm.epsilon, norm.epsilon > 0.0, "above 0")?;
        in_range("momentum", &name, norm.momentum, (0.0..=1.0).contains(&norm.momentum), "from 0 to 1")?;
        let gamma =
            self.parameter(format!("{name}.weight"), &[shape.channels], Init::Constant(norm.gamma))?;
        let beta = self.parameter(format!("{name}.bias"), &[shape.channels], Init::Constant(0.0))?;
        let mean = self.buffer(format!("{name}.running_mean"), shape.channels, 0.0)?;
        let variance = self.buffer(format!("{name}.running_var"), shape.channels, 1.0)?;
        let (epsilon, momentum) = (norm.epsilon, norm.momentum);
        let op = Op::BatchNorm { gamma, beta, mean, variance, epsilon, momentum };
        Ok(self.push(name, op, vec![x], shape))
    }

    /// `max(x, 0)`.
    ///
    /// # Errors
    /// [`NetError::UnknownNode`].
    pub fn relu(&mut self, x: NodeId) -> Result<NodeId, NetError> {
        let shape = self.shape(x)?;
        Ok(self.push("relu".into(), Op::Activation(Activation::Relu), vec![x], shape))
    }

    /// `x` above zero, `slope x` below.
    ///
    /// # Errors
    /// If the slope is negative or not finite: its sign could then not be told from the result.
    pub fn leaky_relu(&mut self, x: NodeId, slope: f32) -> Result<NodeId, NetError> {
        let shape = self.shape(x)?;
        let name = "leaky_relu";
        in_range("slope", name, slope as f64, slope.is_finite() && slope >= 0.0, "finite and not negative")?;
        Ok(self.push(name.into(), Op::Activation(Activation::LeakyRelu { slope }), vec![x], shape))
    }

    /// Sum of two values of one shape.
    ///
    /// # Errors
    /// [`NetError::ShapesDiffer`].
    pub fn add(&mut self, a: NodeId, b: NodeId) -> Result<NodeId, NetError> {
        let (first, second) = (self.shape(a)?, self.shape(b)?);
        if first != second {
            return Err(NetError::ShapesDiffer { name: "add".into(), first, second });
        }
        Ok(self.push("add".into(), Op::Add, vec![a, b], first))
    }

    /// Values of one height and width, one after the other along channels.
    ///
    /// # Errors
    /// If there are none or their sizes differ.
    pub fn concat(&mut self, inputs: &[NodeId]) -> Result<NodeId, NetError> {
        let first = self.shape(*inputs.first().ok_or(NetError::NoInputs { name: "concat" })?)?;
        let mut shape = Shape { channels: 0, ..first };
        for &input in inputs {
            let second = self.shape(input)?;
            if (second.height, second.width) != (first.height, first.width) {
                return Err(NetError::ConcatSizes { first, second });
            }
            shape.channels += second.channels;
        }
        Ok(self.push("concat".into(), Op::Concat, inputs.to_vec(), shape))
    }

    /// Largest value of each window.
    ///
    /// # Errors
    /// If a size is zero, the window does not fit, or the padding exceeds half the kernel.
    pub fn max_pool(&mut self, x: NodeId, window: Window) -> Result<NodeId, NetError> {
        let shape = self.pooled("max_pool", x, window)?;
        Ok(self.push("max_pool".into(), Op::MaxPool(window), vec![x], shape))
    }

    /// Mean of each window, padding counted as zeros.
    ///
    /// # Errors
    /// As [`max_pool`](Self::max_pool).
    pub fn average_pool(&mut self, x: NodeId, window: Window) -> Result<NodeId, NetError> {
        let shape = self.pooled("average_pool", x, window)?;
        Ok(self.push("average_pool".into(), Op::AveragePool(window), vec![x], shape))
    }

    /// Mean over all pixels: a vector of the channels.
    ///
    /// # Errors
    /// [`NetError::UnknownNode`].
    pub fn global_average_pool(&mut self, x: NodeId) -> Result<NodeId, NetError> {
        let shape = Shape::vector(self.shape(x)?.channels);
        Ok(self.push("global_average_pool".into(), Op::GlobalAveragePool, vec![x], shape))
    }

    /// The parameter-free shortcut: every `stride`-th pixel, padded with zero channels to `channels` (option A of
    /// He et al. 2016): `(channels - in) / 2` of them before, the rest after.
    ///
    /// # Errors
    /// If the stride is zero or channels would have to be dropped.
    pub fn subsample_pad(&mut self, x: NodeId, stride: usize, channels: usize) -> Result<NodeId, NetError> {
        let input = self.shape(x)?;
        non_zero("stride", "subsample_pad", stride)?;
        if channels < input.channels {
            return Err(NetError::FewerChannels { found: input.channels, wanted: channels });
        }
        let shape = Shape::new(input.height.div_ceil(stride), input.width.div_ceil(stride), channels);
        Ok(self.push("subsample_pad".into(), Op::SubsamplePad { stride }, vec![x], shape))
    }

    /// A linear classifier: `{name}.weight`, `[classes, features]`, and with `bias` also `{name}.bias`, `[classes]`.
    ///
    /// # Errors
    /// If the input is not a vector, there are no classes, or the name is taken.
    pub fn linear(
        &mut self,
        x: NodeId,
        name: impl Into<String>,
        classes: usize,
        bias: Option<Init>,
        init: Init,
    ) -> Result<NodeId, NetError> {
        let name = name.into();
        let features = self.features(&name, x)?;
        let weight = self.parameter(format!("{name}.weight"), &[classes, features], init)?;
        let bias = self.bias(&name, classes, bias)?;
        Ok(self.push(name, Op::Linear { weight, bias }, vec![x], Shape::vector(classes)))
    }

    /// A cosine classifier: `{name}.weight`, `[features, classes]`, starting with columns of unit norm.
    ///
    /// # Errors
    /// As [`linear`](Self::linear); also if the scale is not finite.
    pub fn cosine_linear(
        &mut self,
        x: NodeId,
        name: impl Into<String>,
        classes: usize,
        scale: f32,
    ) -> Result<NodeId, NetError> {
        let name = name.into();
        let features = self.features(&name, x)?;
        in_range("scale", &name, scale as f64, scale.is_finite(), "finite")?;
        let weight = self.parameter(format!("{name}.weight"), &[features, classes], Init::UnitColumns)?;
        Ok(self.push(name, Op::CosineLinear { weight, scale }, vec![x], Shape::vector(classes)))
    }

    /// A parameter that no operation uses but that is stored, trained and saved with the others, for heads that are
    /// computed outside the engine.
    ///
    /// # Errors
    /// If a size is zero or the name is taken.
    pub fn parameter(
        &mut self,
        name: impl Into<String>,
        shape: &[usize],
        init: Init,
    ) -> Result<ParameterId, NetError> {
        let name = name.into();
        for &size in shape {
            non_zero("a size", &name, size)?;
        }
        self.claim(&name)?;
        self.parameters.push(Parameter { name, shape: shape.to_vec(), init });
        Ok(ParameterId(self.parameters.len() - 1))
    }

    /// Makes a node's value visible under a name, after those named before.
    ///
    /// # Errors
    /// If another output has the name.
    pub fn output(&mut self, name: impl Into<String>, x: NodeId) -> Result<(), NetError> {
        let name = name.into();
        self.shape(x)?;
        if self.outputs.iter().any(|output| output.name == name) {
            return Err(NetError::DuplicateName { name });
        }
        self.outputs.push(Output { name, node: x });
        Ok(())
    }

    /// The finished description.
    ///
    /// # Errors
    /// If the images have a zero side or nothing was named as output.
    pub fn finish(self) -> Result<Net, NetError> {
        non_zero("a side", "input", self.nodes[0].shape.len())?;
        if self.outputs.is_empty() {
            return Err(NetError::NoOutput);
        }
        let Self { nodes, parameters, buffers, outputs, names: _ } = self;
        Ok(Net { nodes, parameters, buffers, outputs })
    }

    fn push(&mut self, name: String, op: Op, inputs: Vec<NodeId>, shape: Shape) -> NodeId {
        self.nodes.push(Node { name, op, inputs, shape });
        NodeId(self.nodes.len() - 1)
    }

    fn claim(&mut self, name: &str) -> Result<(), NetError> {
        if self.names.insert(name.into()) {
            Ok(())
        } else {
            Err(NetError::DuplicateName { name: name.into() })
        }
    }

    fn bias(&mut self, name: &str, len: usize, init: Option<Init>) -> Result<Option<ParameterId>, NetError> {
        init.map(|init| self.parameter(format!("{name}.bias"), &[len], init)).transpose()
    }

    fn buffer(&mut self, name: String, len: usize, initial: f32) -> Result<BufferId, NetError> {
        self.claim(&name)?;
        self.buffers.push(Buffer { name, len, initial });
        Ok(BufferId(self.buffers.len() - 1))
    }

    fn features(&self, name: &str, x: NodeId) -> Result<usize, NetError> {
        let found = self.shape(x)?;
        if found.is_vector() {
            Ok(found.channels)
        } else {
            Err(NetError::NotAVector { name: name.into(), found })
        }
    }

    fn pooled(&self, name: &str, x: NodeId, window: Window) -> Result<Shape, NetError> {
        let input = self.shape(x)?;
        for side in 0..2 {
            let limit = window.kernel[side] / 2;
            if window.padding[side] > limit {
                return Err(NetError::PoolPadding { name: name.into(), limit });
            }
        }
        windowed(name, input, input.channels, window)
    }
}

/// Shape after a window is laid over every position of the padded input (rounded down).
fn windowed(name: &str, input: Shape, channels: usize, window: Window) -> Result<Shape, NetError> {
    let [height, width] = [(0, input.height), (1, input.width)].map(|(side, size)| {
        non_zero("kernel", name, window.kernel[side])?;
        non_zero("stride", name, window.stride[side])?;
        let room = (size + 2 * window.padding[side]).checked_sub(window.kernel[side]);
        room.map(|room| room / window.stride[side] + 1).ok_or(NetError::WindowTooLarge {
            name: name.into(),
            kernel_height: window.kernel[0],
            kernel_width: window.kernel[1],
            input,
            padding_height: window.padding[0],
            padding_width: window.padding[1],
        })
    });
    Ok(Shape::new(height?, width?, channels))
}

fn non_zero(what: &'static str, name: &str, size: usize) -> Result<(), NetError> {
    if size == 0 { Err(NetError::Zero { what, name: name.into() }) } else { Ok(()) }
}

fn in_range(
    what: &'static str,
    name: &str,
    found: f64,
    allowed: bool,
    range: &'static str,
) -> Result<(), NetError> {
    if allowed { Ok(()) } else { Err(NetError::OutOfRange { what, name: name.into(), found, range }) }
}
