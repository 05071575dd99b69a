//! Schedules: the learning rate over time.

use std::fmt::Debug;

/// Where training stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The epoch, from zero.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// The batch in the epoch, from zero.
    pub batch: usize,
    /// Batches in the epoch.
    pub batches: usize,
}

/// What is the learning rate over time.
pub trait Schedule: Debug + Send + Sync {
    /// The factor by which the optimizer's learning rate is multiplied.
    fn factor(&self, position: Position) -> f64;
}
