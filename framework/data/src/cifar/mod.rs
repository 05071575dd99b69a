//! CIFAR-10 and CIFAR-100 in their official binary layout (Krizhevsky 2009).

mod load;
mod names;
mod official;
mod verify;

pub use load::LongTailed;
pub use official::{CIFAR10, CIFAR100, Cifar, OfficialFile, VerifiedSubset};
