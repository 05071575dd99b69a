//! Augmentations: how one training image is changed before it is normalised.

use std::fmt::Debug;

use balpoe_net::PixelMap;

use super::{Image, Window};
use crate::random::Stream;

/// How is one image changed. Augmentations run in the order in which the experiment lists them, on 8-bit pixels.
pub trait Augmentation: Debug + Send + Sync {
    /// The changed image. All randomness comes from the stream, which belongs to this image in this epoch alone.
    fn apply(&self, image: Image, stream: &mut Stream) -> Image;

    /// If all that it does is to cut out a window and to scale it: how it chooses the window. The first augmentation of an
    /// experiment then runs as part of decoding, which need not go beyond the window.
    fn cropping(&self) -> Option<&dyn Cropping> {
        None
    }

    /// If all that it does is to move pixels within images of the same size: how it chooses where they come from. Where every
    /// augmentation of an experiment does no more, a GPU keeps the images of a data set in memory and changes them itself.
    fn moving(&self) -> Option<&dyn Moving> {
        None
    }
}

/// How a window is chosen.
pub trait Cropping {
    /// A window inside an image of this height and width. It must draw from the stream what [`Augmentation::apply`] draws.
    fn window(&self, height: usize, width: usize, stream: &mut Stream) -> Window;
}

/// How pixels are moved.
pub trait Moving {
    /// Where the pixels of an image of this height and width come from. It must draw from the stream what
    /// [`Augmentation::apply`] draws, and mean the same image, byte by byte.
    fn map(&self, size: (usize, usize), stream: &mut Stream) -> PixelMap;
}
