use crate::{Init, Op, Shape};

/// Names a node of the builder that returned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(pub(crate) usize);

/// Names a parameter: its place in [`Net::parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParameterId(pub(crate) usize);

/// Names a buffer: its place in [`Net::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BufferId(pub(crate) usize);

macro_rules! index {
    ($($id:ty),*) => {$(
        impl $id {
            /// Place in the network's list.
            pub const fn index(self) -> usize {
                self.0
            }
        }
    )*};
}
index!(NodeId, ParameterId, BufferId);

/// One operation of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Scope of its parameters, such as `layer1.0.conv1`; for operations without parameters, the operation's name.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// What it reads; all stand before it in [`Net::nodes`].
    pub inputs: Vec<NodeId>,
    /// Shape of its value, per image.
    pub shape: Shape,
}

/// A trained tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Unique name, as `PyTorch` would call it: `layer1.0.conv1.weight`.
    pub name: String,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Where it starts.
    pub init: Init,
}

impl Parameter {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no values; the builder makes no such parameter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor that is kept with the parameters but not trained: a batch norm's running statistics, `[channels]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// Unique name: `layer1.0.bn1.running_mean`.
    pub name: String,
    /// Number of values.
    pub len: usize,
    /// Value before the first training batch.
    pub initial: f32,
}

/// A value that the user of the network wants to see.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Unique name among outputs.
    pub name: String,
    /// The node whose value it is.
    pub node: NodeId,
}

/// The finished description of a network.
///
/// Nodes are in topological order (a node's inputs come before it) and start with the input.
#[derive(Clone, Debug, PartialEq)]
pub struct Net {
    pub(crate) nodes: Vec<Node>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) outputs: Vec<Output>,
}

impl Net {
    /// Shape of one image.
    pub fn input_shape(&self) -> Shape {
        self.nodes[0].shape
    }

    /// Operations, each after those that it reads.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One operation.
    ///
    /// # Panics
    /// If `id` comes from another network that is larger.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Trained tensors, in the order in which they were described.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Running statistics, in the order in which they were described.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// Named outputs, in the order in which they were named.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Position of the parameter with this name.
    pub fn parameter_index(&self, name: &str) -> Option<usize> {
        self.parameters.iter().position(|parameter| parameter.name == name)
    }

    /// Number of trained values.
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(Parameter::len).sum()
    }

    /// Multiply-adds of convolutions and classifiers for one image; norms, pooling and activations are not counted.
    pub fn multiply_adds(&self) -> u64 {
        self.nodes.iter().map(|node| self.multiply_adds_of(node)).sum()
    }

    /// Multiply-adds of one operation for one image.
    pub fn multiply_adds_of(&self, node: &Node) -> u64 {
        match &node.op {
            Op::Conv { weight, .. } | Op::Linear { weight, .. } | Op::CosineLinear { weight, .. } => {
                (node.shape.pixels() * self.parameters[weight.0].len()) as u64
            }
            _ => 0,
        }
    }

    /// Parameters that an operation owns, weight first.
    pub fn parameters_of(&self, node: &Node) -> Vec<ParameterId> {
        match node.op {
            Op::Conv { weight, bias, .. } | Op::Linear { weight, bias } => {
                std::iter::once(weight).chain(bias).collect()
            }
            Op::BatchNorm { gamma, beta, .. } => vec![gamma, beta],
            Op::CosineLinear { weight, .. } => vec![weight],
            _ => Vec::new(),
        }
    }
}
