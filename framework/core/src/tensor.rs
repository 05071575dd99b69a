//! The dfdx types in which plugins are written: run-time shapes, `f32`, on dfdx's CPU device.
//!
//! Names are aliases of dfdx 0.13, which is re-exported whole, so that a plugin crate needs no dependency of its own
//! and cannot pick another version.

pub use dfdx;
use dfdx::prelude::{Cpu, OwnedTape, Rank0, Tensor};

/// The device on which plugin mathematics runs. Seeded anew for every step (see [`crate::random`]).
pub type Device = Cpu;

/// An untraced matrix `[rows, columns]`, such as logits `[batch, classes]`.
pub type Matrix = Tensor<(usize, usize), f32, Cpu>;

/// A matrix whose operations are recorded for the backward pass.
pub type TracedMatrix = Tensor<(usize, usize), f32, Cpu, OwnedTape<f32, Cpu>>;

/// An untraced vector `[n]`.
pub type Vector = Tensor<(usize,), f32, Cpu>;

/// A scalar loss with the tape that leads to it.
pub type TracedScalar = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;
