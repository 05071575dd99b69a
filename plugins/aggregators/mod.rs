//! Ways to make one prediction out of the experts'.

mod mean_logits;

pub use mean_logits::MeanLogits;
