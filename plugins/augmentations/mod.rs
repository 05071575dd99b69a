//! Changes of single training images.

mod auto_augment;
mod colour_jitter;
mod cutout;
mod gaussian_blur;
#[cfg(test)]
mod golden;
mod grayscale;
mod horizontal_flip;
mod pad_crop;
mod probability;
mod rand_augment;
mod random_resized_crop;
mod rotation;
mod trivial_augment;

pub use auto_augment::AutoAugment;
pub use colour_jitter::ColourJitter;
pub use cutout::Cutout;
pub use gaussian_blur::GaussianBlur;
pub use grayscale::Grayscale;
pub use horizontal_flip::HorizontalFlip;
pub use pad_crop::PadCrop;
pub use rand_augment::RandAugment;
pub use random_resized_crop::RandomResizedCrop;
pub use rotation::Rotation;
pub use trivial_augment::TrivialAugment;
