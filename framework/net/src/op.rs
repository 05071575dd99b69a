use crate::{BufferId, Init, ParameterId, WeightInit};

/// What a node computes from its inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The images.
    Input,
    /// Two-dimensional cross-correlation with zero padding, as every framework's "convolution".
    Conv {
        /// `[out, in / groups, kernel height, kernel width]`.
        weight: ParameterId,
        /// `[out]`.
        bias: Option<ParameterId>,
        /// Where the kernel is laid.
        window: Window,
        /// Independent groups of channels.
        groups: usize,
    },
    /// Batch normalisation over images and pixels (Ioffe and Szegedy 2015, algorithm 1).
    BatchNorm {
        /// Scale, `[channels]`.
        gamma: ParameterId,
        /// Shift, `[channels]`.
        beta: ParameterId,
        /// Running mean, `[channels]`.
        mean: BufferId,
        /// Running variance (unbiased), `[channels]`.
        variance: BufferId,
        /// Added to the variance.
        epsilon: f64,
        /// Weight of the new batch in the running statistics.
        momentum: f64,
    },
    /// A function of each value.
    Activation(Activation),
    /// Sum of inputs of one shape.
    Add,
    /// Inputs one after the other along channels.
    Concat,
    /// Largest value of each window; padding never wins.
    MaxPool(Window),
    /// Mean of each window; padding counts as zeros (`PyTorch`'s `count_include_pad`).
    AveragePool(Window),
    /// Mean over all pixels.
    GlobalAveragePool,
    /// Every `stride`-th pixel from 0 in both directions, zero channels around: `(out - in) / 2` before, the rest after
    /// (the parameter-free shortcut, option A of He et al. 2016).
    SubsamplePad {
        /// Distance of the kept pixels.
        stride: usize,
    },
    /// `x W^T + b`.
    Linear {
        /// `[classes, features]`.
        weight: ParameterId,
        /// `[classes]`.
        bias: Option<ParameterId>,
    },
    /// `scale <x / |x|, W_c / |W_c|>` with each norm taken as at least 1e-12.
    CosineLinear {
        /// `[features, classes]`.
        weight: ParameterId,
        /// Factor on the cosine.
        scale: f32,
    },
}

/// A function that is applied to each value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x` above zero, `slope x` below.
    LeakyRelu {
        /// Slope below zero.
        slope: f32,
    },
}

/// Where a kernel is laid: `[rows, columns]` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Size of the kernel.
    pub kernel: [usize; 2],
    /// Distance of neighbouring positions.
    pub stride: [usize; 2],
    /// Pixels added on each side.
    pub padding: [usize; 2],
}

impl Window {
    /// A square kernel, moved by its own size (the default of pooling), unpadded.
    pub const fn new(kernel: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [kernel; 2], padding: [0; 2] }
    }

    /// The same with another stride.
    #[must_use]
    pub const fn stride(mut self, stride: usize) -> Self {
        self.stride = [stride; 2];
        self
    }

    /// The same with padding on each side.
    #[must_use]
    pub const fn padding(mut self, padding: usize) -> Self {
        self.padding = [padding; 2];
        self
    }
}

/// Settings of a convolution: square kernel, stride 1, no padding, one group, no bias, Kaiming fan-in normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv {
    /// Output channels.
    pub out_channels: usize,
    /// Where the kernel is laid.
    pub window: Window,
    /// Independent groups of channels.
    pub groups: usize,
    /// How the bias starts; `None` for a convolution without one.
    pub bias: Option<Init>,
    /// How the weight starts.
    pub init: WeightInit,
}

impl Conv {
    /// A convolution to `out_channels` channels with a square kernel.
    pub const fn new(out_channels: usize, kernel: usize) -> Self {
        Self {
            out_channels,
            window: Window::new(kernel).stride(1),
            groups: 1,
            bias: None,
            init: WeightInit::KaimingNormal(crate::Fan::In),
        }
    }

    /// The same with a stride.
    #[must_use]
    pub const fn stride(mut self, stride: usize) -> Self {
        self.window = self.window.stride(stride);
        self
    }

    /// The same with zero padding on each side.
    #[must_use]
    pub const fn padding(mut self, padding: usize) -> Self {
        self.window = self.window.padding(padding);
        self
    }

    /// The same with independent groups of channels.
    #[must_use]
    pub const fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// The same with a bias that starts as given.
    #[must_use]
    pub const fn bias(mut self, init: Init) -> Self {
        self.bias = Some(init);
        self
    }

    /// The same with another initial weight.
    #[must_use]
    pub fn init(mut self, init: impl Into<WeightInit>) -> Self {
        self.init = init.into();
        self
    }
}

/// Settings of a batch norm: epsilon 1e-5, momentum 0.1, gamma 1, as `PyTorch`'s defaults; beta starts at 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// Added to the variance.
    pub epsilon: f64,
    /// Weight of the new batch in the running statistics.
    pub momentum: f64,
    /// Where gamma starts; 0 for the last norm of a residual block under `zero_init_residual`.
    pub gamma: f32,
}

impl BatchNorm {
    /// `PyTorch`'s defaults.
    pub const fn new() -> Self {
        Self { epsilon: 1e-5, momentum: 0.1, gamma: 1.0 }
    }

    /// The same with gamma starting elsewhere.
    #[must_use]
    pub const fn gamma(mut self, gamma: f32) -> Self {
        self.gamma = gamma;
        self
    }
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self::new()
    }
}
