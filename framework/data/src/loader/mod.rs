//! Batches, decoded and augmented ahead on threads of their own.

mod epoch;
mod prefetch;
mod spare;

pub use epoch::{BatchImages, ImageForm, LoadedBatch, Pipeline};
pub use prefetch::Loader;
pub use spare::SpareMemory;
