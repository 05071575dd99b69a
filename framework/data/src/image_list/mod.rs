//! Data sets that are lists of image files, as ImageNet-LT and iNaturalist 2018 are published.

mod dataset;
mod distributions;
mod images;
mod inaturalist;
mod list;
mod names;
mod pack;
mod parallel;
mod verify;

pub use dataset::{Broken, ExifOrientation, ImageList};
pub use inaturalist::{ImportedLists, import_inaturalist};
