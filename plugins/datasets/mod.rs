//! Data sets.

mod cifar;
mod procedural;

pub use cifar::{Cifar10, Cifar100, CifarSettings, Subset};
pub use procedural::Procedural;
