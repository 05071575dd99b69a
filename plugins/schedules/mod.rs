//! Learning rates over time.

mod constant;
mod cosine;
mod step;

pub use constant::Constant;
pub use cosine::Cosine;
pub use step::Step;
