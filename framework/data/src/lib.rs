//! Data sets for long-tailed recognition: official files, subsets, test distributions and loading.
//!
//! The components themselves, which experiments name, are in `balpoe-plugins`; this crate is what they are made of.

mod cifar;
mod decode;
mod distribution;
mod fetch;
mod image_list;
pub mod imaging;
mod legacy_numpy;
mod loader;
mod normalisation;
mod official_file;
mod procedural;
mod profile;
mod resident;
mod subset;

pub use cifar::{CIFAR10, CIFAR100, Cifar, LongTailed, OfficialFile, VerifiedSubset};
pub use decode::{DecodeError, Encoded, Format, Header};
pub use distribution::TestDistribution;
pub use fetch::Archive;
pub use image_list::{Broken, ExifOrientation, ImageList, ImportedLists, import_inaturalist};
pub use legacy_numpy::LegacyNumpy;
pub use loader::{BatchImages, ImageForm, LoadedBatch, Loader, Pipeline, SpareMemory};
pub use normalisation::Normalisation;
pub use procedural::Procedural;
pub use profile::Profile;
pub use resident::ResidentImages;
pub use subset::{Draw, draw_subset, positions_by_class};
