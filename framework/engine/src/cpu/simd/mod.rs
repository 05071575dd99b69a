//! Sixteen-lane vectors of `f32` and the choice of the instruction set that carries them.
//!
//! A [`Kernel`] is written once, generic over [`Simd`]; [`Dispatch`] runs the version compiled for the machine.

#![expect(
    unsafe_code,
    reason = "intrinsics and pointers; a value of `Simd` proves that the processor has them"
)]

mod instruction_set;
mod math;
mod portable;
mod vector;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

pub(crate) use instruction_set::Dispatch;
pub use instruction_set::{InstructionSet, UnavailableInstructionSet};
pub(crate) use math::exp;
pub(crate) use vector::{Kernel, LANES, Simd, Vector, round_up};
