//! Component traits, the plugin registry and experiment files of `balpoe`.
//!
//! This crate is all that the author of a plugin depends on. It holds
//!
//! * [`components`]: the traits of every kind of component, with the data that passes through them;
//! * [`registry`]: the descriptors that [`register!`] submits, looked up by kind and name;
//! * [`config`]: TOML values that remember the file and bytes that they came from;
//! * [`experiment`]: an experiment file resolved into arms, cells and their keys;
//! * [`digest`]: hashes as text;
//! * [`random`]: one reproducible stream per (seed, purpose, epoch, index);
//! * [`tensor`]: the dfdx types that heads, objectives, calibrators and aggregators are written in.

pub mod components;
pub mod config;
pub mod digest;
pub mod experiment;
pub mod random;
pub mod registry;
pub mod tensor;

/// What the expansion of [`register!`] names; not for direct use.
#[doc(hidden)]
pub mod private {
    pub use crate::registry::{check_name, construct};
    pub use inventory;
    pub use schemars;
}
