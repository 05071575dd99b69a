//! Computes networks with plain loops, in `f32` or `f64`: what every executor is held against.
//!
//! Nothing here is fast, and nothing is shared with the executors. The `f64` version is itself checked against finite
//! differences.

mod layers;
mod loss;
mod network;
mod real;
mod update;

pub use loss::logit_adjusted_cross_entropy;
pub use network::Oracle;
pub use real::Real;
pub use update::sgd;
