//! Augmentations: how one training image is changed before it is normalised.

use std::fmt::Debug;

use super::Image;
use crate::random::Stream;

/// How is one image changed. Augmentations run in the order in which the experiment lists them, on 8-bit pixels.
pub trait Augmentation: Debug + Send + Sync {
    /// The changed image. All randomness comes from the stream, which belongs to this image in this epoch alone.
    fn apply(&self, image: Image, stream: &mut Stream) -> Image;
}
