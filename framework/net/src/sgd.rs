/// Description of stochastic gradient descent with momentum, the update that engines compute themselves.
///
/// For a parameter `p` with gradient `g` and velocity `v`, which starts at zero, as PyTorch defines it:
/// `g += weight_decay p; v = momentum v + g; p -= learning_rate v`, or with Nesterov's momentum
/// `p -= learning_rate (g + momentum v)` (Sutskever et al., ICML 2013). Computed in `f32`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// The rate of this update.
    pub learning_rate: f64,
    /// How much of the last step's velocity is kept.
    pub momentum: f64,
    /// Factor of the L2 penalty, on every parameter.
    pub weight_decay: f64,
    /// Whether the step looks ahead along the velocity.
    pub nesterov: bool,
}
