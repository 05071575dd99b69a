use crate::Shape;
use thiserror::Error;

/// Why a network cannot be described as asked. Texts complete "failed to build the network: …".
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum NetError {
    /// A size that must be at least one is zero.
    #[error("{what} of {name} is zero; it must be at least 1")]
    Zero {
        /// The size, for example "stride".
        what: &'static str,
        /// The operation or parameter.
        name: String,
    },
    /// Two parameters or buffers share a name.
    #[error("the name {name} is taken; every parameter, buffer and output needs its own name")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A node of another builder was used.
    #[error(
        "node {index} is not part of this network, which has {nodes} nodes; use the ids that this builder returned"
    )]
    UnknownNode {
        /// Index of the node.
        index: usize,
        /// Nodes so far.
        nodes: usize,
    },
    /// The window is larger than the padded input.
    #[error(
        "{name} needs at least {kernel_height}x{kernel_width} padded pixels, found {input} with padding {padding_height}x{padding_width}"
    )]
    WindowTooLarge {
        /// The operation.
        name: String,
        /// Rows of the window.
        kernel_height: usize,
        /// Columns of the window.
        kernel_width: usize,
        /// Shape of the input.
        input: Shape,
        /// Zero rows above and below.
        padding_height: usize,
        /// Zero columns left and right.
        padding_width: usize,
    },
    /// A pooling window could lie wholly in the padding.
    #[error(
        "padding of {name} exceeds half its kernel, so that a window could hold no pixel; use at most {limit}"
    )]
    PoolPadding {
        /// The operation.
        name: String,
        /// Largest padding allowed.
        limit: usize,
    },
    /// Channels do not divide into the groups.
    #[error(
        "{name} cannot divide {channels} channels into {groups} groups; use a number of groups that divides the input and output channels"
    )]
    Groups {
        /// The convolution.
        name: String,
        /// Channels in or out.
        channels: usize,
        /// Groups asked for.
        groups: usize,
    },
    /// Operands that must agree do not.
    #[error("{name} needs inputs of one shape, found {first} and {second}")]
    ShapesDiffer {
        /// The operation.
        name: String,
        /// First operand.
        first: Shape,
        /// The operand that differs.
        second: Shape,
    },
    /// Feature maps to be concatenated have different sizes.
    #[error("concat needs feature maps of one height and width, found {first} and {second}")]
    ConcatSizes {
        /// First operand.
        first: Shape,
        /// The operand that differs.
        second: Shape,
    },
    /// An operation over several inputs got none.
    #[error("{name} got no inputs; it needs at least one")]
    NoInputs {
        /// The operation.
        name: &'static str,
    },
    /// A classifier was put on a feature map.
    #[error(
        "{name} needs a vector of features, found {found}; pool first, for example with global_average_pool"
    )]
    NotAVector {
        /// The classifier.
        name: String,
        /// Shape of its input.
        found: Shape,
    },
    /// A shortcut would drop channels.
    #[error("a shortcut cannot reduce {found} channels to {wanted}; it pads with zero channels only")]
    FewerChannels {
        /// Channels of the input.
        found: usize,
        /// Channels asked for.
        wanted: usize,
    },
    /// A real setting is out of range.
    #[error("{what} of {name} is {found}; it must be {range}")]
    OutOfRange {
        /// The setting.
        what: &'static str,
        /// The operation.
        name: String,
        /// What was given.
        found: f64,
        /// What is allowed, in words.
        range: &'static str,
    },
    /// The network computes nothing that anybody asked for.
    #[error("the network has no output; name at least one with `output`")]
    NoOutput,
}
