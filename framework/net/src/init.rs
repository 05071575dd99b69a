/// Distribution from which a parameter is first drawn.
///
/// It only describes: the trainer fills parameters from its own random streams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Independent normal values with mean zero.
    Normal {
        /// Standard deviation.
        std: f32,
    },
    /// Independent uniform values in `[low, high)`.
    Uniform {
        /// Lower end.
        low: f32,
        /// Upper end.
        high: f32,
    },
    /// One value everywhere.
    Constant(f32),
    /// Independent uniform values in `[-1, 1)`; then each column of the `[features, classes]` matrix is rescaled to
    /// Euclidean norm 1 (the cosine classifier's initialisation in the reference implementation).
    UnitColumns,
}

impl Init {
    /// Uniform in ±1/√fan, with which `PyTorch` starts the weight and bias of a linear layer of `fan` inputs.
    pub fn uniform_by_fan(fan: usize) -> Self {
        let bound = 1.0 / (fan.max(1) as f32).sqrt();
        Self::Uniform { low: -bound, high: bound }
    }

    /// Normal with variance 2/fan (He et al. 2015, "Delving deep into rectifiers", equation 10).
    pub fn kaiming_normal(fan: usize) -> Self {
        Self::Normal { std: (2.0 / fan.max(1) as f64).sqrt() as f32 }
    }
}

/// Which connections of a convolution are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// Inputs of one output value: channels of a group times kernel area.
    In,
    /// Outputs that one input value reaches: output channels times kernel area (`PyTorch`'s count, whatever the groups).
    Out,
}

/// How a convolution's weight starts: by a rule that looks at its shape, or with a given distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WeightInit {
    /// Normal with variance 2/fan ([`Init::kaiming_normal`]).
    KaimingNormal(Fan),
    /// A given distribution.
    Explicit(Init),
}

impl WeightInit {
    /// The distribution for a weight of shape `[out, in / groups, kernel height, kernel width]`.
    pub fn resolve(self, shape: [usize; 4]) -> Init {
        let [out, input, height, width] = shape;
        match self {
            Self::KaimingNormal(Fan::In) => Init::kaiming_normal(input * height * width),
            Self::KaimingNormal(Fan::Out) => Init::kaiming_normal(out * height * width),
            Self::Explicit(init) => init,
        }
    }
}

impl From<Init> for WeightInit {
    fn from(init: Init) -> Self {
        Self::Explicit(init)
    }
}
