//! Models that were trained elsewhere: their logits from files, evaluated like our own.

mod array;
mod evaluation;
mod files;
mod model;
mod npy;
mod request;
mod streaming;
mod test_sets;

pub use evaluation::evaluate;
pub use request::{ClassCounts, Fitting, Request, Scores};
