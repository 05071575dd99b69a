//! Why a table cannot be audited.

use thiserror::Error;

/// A document or its facts that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuditError {
    /// The document holds no table with a figure.
    #[error(
        "expected a {language} table with figures, found none; the file's ending says how it is read: .tex, .md or .csv"
    )]
    NoTable {
        /// The language in which it was read.
        language: &'static str,
    },
    /// The comma-separated values are broken.
    #[error("expected comma-separated values, found {0}")]
    Csv(String),
    /// The sidecar file does not fit.
    #[error(
        "expected `classes = [many, medium, few]`, `samples = n` and a table `distributions` of numbers, found {0}"
    )]
    Facts(String),
    /// Class numbers that cannot be.
    #[error("expected three class numbers (many, medium, few) with a sum above zero, found {0:?}")]
    Classes(Vec<u32>),
}
