//! The built-in components of `balpoe`, one file each.
//!
//! They register themselves; a program gets them by linking this crate (`use balpoe_plugins as _;`), which the facade crate
//! `balpoe` does. `balpoe list` shows them, `balpoe describe KIND/NAME` explains one.

pub mod aggregators;
pub mod augmentations;
pub mod backbones;
pub mod calibrators;
pub mod datasets;
pub mod heads;
pub mod mixings;
mod numerics;
pub mod objectives;
pub mod optimizers;
pub mod samplers;
pub mod schedules;

/// The Rust of the book and of the front page compiles.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../README.md")]
    mod readme {}
    #[doc = include_str!("../docs/src/plugins.md")]
    mod plugins {}
}
