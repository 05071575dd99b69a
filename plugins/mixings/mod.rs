//! Ways to make training batches softer.

mod cutmix;
mod label_smoothing;
mod mixup;
mod mixup_or_cutmix;
mod stream;

pub use cutmix::Cutmix;
pub use label_smoothing::LabelSmoothing;
pub use mixup::Mixup;
pub use mixup_or_cutmix::MixupOrCutmix;
pub use stream::MixingStream;
