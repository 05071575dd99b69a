//! Data sets.

mod cifar;
mod image_list;
mod procedural;

pub use cifar::{Cifar10, Cifar100, CifarSettings, Subset};
pub use image_list::ImageList;
pub use procedural::Procedural;
