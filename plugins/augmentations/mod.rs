//! Changes of single training images.

#[cfg(test)]
mod golden;
mod horizontal_flip;
mod pad_crop;
mod rotation;

pub use horizontal_flip::HorizontalFlip;
pub use pad_crop::PadCrop;
pub use rotation::Rotation;
