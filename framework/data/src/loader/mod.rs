//! Batches, decoded and augmented ahead on threads of their own.

mod epoch;
mod prefetch;

pub use epoch::{LoadedBatch, Pipeline, SpareMemory};
pub use prefetch::Loader;
