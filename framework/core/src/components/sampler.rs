//! Samplers: in which order, and how often, each image is seen.

use std::fmt::Debug;

use crate::random::Stream;

/// In which order and how often is each image seen.
pub trait Sampler: Debug + Send + Sync {
    /// The positions of one epoch. `labels` are those of the training split, `class_counts` `[classes]` count them.
    fn epoch(&self, labels: &[u32], class_counts: &[usize], stream: &mut Stream) -> Vec<u32>;
}
