//! What the self-check of a device may find.

use crate::EngineError;
use crate::cuda::Fault;
use thiserror::Error;

/// Why a device must not be used. The text fits behind the device's name.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum CheckFailure {
    /// It computes something else than the processor.
    #[error(
        "does not compute what the processor computes: {what} differs by {found:.1e} of its size, more than \
         {bound:.0e}; please report this"
    )]
    Disagreement {
        /// What differs.
        what: String,
        /// The difference's root mean square, relative to what was expected.
        found: f64,
        /// What rounding explains.
        bound: f64,
    },
    /// It fails.
    #[error("cannot be used: {0}")]
    Fault(#[from] Fault),
    /// The engine fails on it.
    #[error("cannot be used: {0}")]
    Engine(#[from] EngineError),
}
