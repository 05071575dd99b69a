//! Parameter updates.

mod sgd;

pub use sgd::Sgd;
