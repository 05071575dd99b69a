//! Classifiers on top of each expert's features.

mod cosine;
mod linear;

pub use cosine::Cosine;
pub use linear::{Linear, LinearInit};
