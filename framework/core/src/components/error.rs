//! Failure of a component while it works.

/// A component could not do its work on what it was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ComponentError {
    /// What was expected, what was found, and what to do.
    pub message: String,
}

impl ComponentError {
    /// An error with this message: a lower-case fragment.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}
