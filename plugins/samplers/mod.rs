//! Orders in which images are seen.

mod by_class;
mod class_balanced;
mod instance_balanced;
mod square_root;

pub use class_balanced::ClassBalanced;
pub use instance_balanced::InstanceBalanced;
pub use square_root::SquareRoot;
