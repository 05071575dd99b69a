//! Ways to make training batches softer.

mod label_smoothing;
mod mixup;
mod stream;

pub use label_smoothing::LabelSmoothing;
pub use mixup::Mixup;
pub use stream::MixingStream;
