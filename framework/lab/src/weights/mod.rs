//! Weights from elsewhere and for elsewhere: safetensors files under the parameter names of the reference's PyTorch
//! implementation and of torchvision.
//!
//! Our parameters have the reference's names and PyTorch's layout (`[out, in / groups, rows, columns]`, heads `[features,
//! classes]` or `[classes, features]`), so that a file of ours and one of PyTorch differ in a prefix and in the counters of
//! batch norms.

mod export;
mod file;
mod fit;
mod import;
mod pretrained;

pub use export::{WeightNames, export_weights};
pub use file::WeightFile;
pub(crate) use fit::Weights;
pub use import::import_weights;
pub(crate) use pretrained::Pretrained;
