//! Data sets.

mod cifar;

pub use cifar::{Cifar10, Cifar100, CifarSettings, Subset};
