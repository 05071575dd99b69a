//! Which components there are, and how one is built from its table.

mod descriptor;
mod lookup;
mod macros;

#[doc(hidden)]
pub use descriptor::check_name;
pub use descriptor::{Component, Constructor, Descriptor, Kind, Parameter, Registration};
#[doc(hidden)]
pub use lookup::construct;
pub use lookup::{Built, ComponentKind, build, conflicts, descriptors, find};
