#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512};
use super::{
    portable::Portable,
    vector::{Kernel, Simd},
};
use std::fmt;

/// An instruction set that the kernels are compiled for, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// AVX-512 F, VL, BW, DQ: sixteen `f32` a register.
    Avx512,
    /// AVX2 with fused multiply-add: eight `f32` a register.
    Avx2,
    /// No particular instructions; slow, and correct everywhere.
    Portable,
}

/// An instruction set was requested that this processor does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{requested} instructions are not available on this processor; the best that it has is {best}")]
pub struct UnavailableInstructionSet {
    /// What was requested.
    pub requested: InstructionSet,
    /// The best that there is.
    pub best: InstructionSet,
}

impl InstructionSet {
    /// All of them, best first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// The best that this processor has.
    pub fn detect() -> Self {
        Self::ALL.into_iter().find(|set| set.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        self.prove().is_some()
    }

    /// What runs kernels on it.
    ///
    /// # Errors
    /// The processor does not have it.
    pub(crate) fn dispatch(self) -> Result<Dispatch, UnavailableInstructionSet> {
        self.prove().ok_or_else(|| UnavailableInstructionSet { requested: self, best: Self::detect() })
    }

    fn prove(self) -> Option<Dispatch> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::detect().map(Dispatch::Avx512),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::detect().map(Dispatch::Avx2),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => None,
            Self::Portable => Some(Dispatch::Portable(Portable)),
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2",
            Self::Portable => "portable",
        })
    }
}

/// An instruction set that was found to be available.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dispatch {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable(Portable),
}

impl Dispatch {
    /// Runs the version of a kernel that was compiled for this instruction set.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => simd.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => simd.vectorize(kernel),
            Self::Portable(simd) => simd.vectorize(kernel),
        }
    }

    /// [`Simd::REGISTERS`] of what it runs.
    pub(crate) fn registers(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => Avx512::REGISTERS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Avx2::REGISTERS,
            Self::Portable(_) => Portable::REGISTERS,
        }
    }

    /// The name of what it runs.
    pub(crate) fn instruction_set(self) -> InstructionSet {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => InstructionSet::Avx512,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => InstructionSet::Avx2,
            Self::Portable(_) => InstructionSet::Portable,
        }
    }
}
