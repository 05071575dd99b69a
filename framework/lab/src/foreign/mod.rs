//! Models that were trained elsewhere: their logits from files, evaluated like our own.

mod evaluation;
mod request;
mod test_sets;

pub use evaluation::evaluate;
pub use request::{ClassCounts, Fitting, Request, Scores};
