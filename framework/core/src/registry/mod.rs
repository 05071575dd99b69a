//! Which components there are, and how one is built from its table.

mod descriptor;
mod lookup;
mod macros;
mod parameter;

#[doc(hidden)]
pub use descriptor::check_name;
pub use descriptor::{Component, Constructor, Descriptor, Kind, Registration};
#[doc(hidden)]
pub use lookup::construct;
pub use lookup::{Built, ComponentKind, build, conflicts, descriptors, find};
pub use parameter::Parameter;
