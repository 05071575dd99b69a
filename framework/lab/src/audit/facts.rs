//! What the reader of a table knows and the table does not say.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::AuditError;
use super::quantity::key;

/// Numbers of classes and test images, from the command line or a sidecar file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Classes with many, a medium number of, and few training images; columns of the table that say it go first.
    pub classes: Option<Vec<u32>>,
    /// Images in the balanced test set; inferred from figures with many digits if not given.
    pub samples: Option<u64>,
    /// Images in other test sets, by their heading, such as `forward50`.
    #[serde(default)]
    pub distributions: BTreeMap<String, u64>,
}

impl Facts {
    /// Reads a sidecar file.
    ///
    /// # Errors
    /// When it is not TOML or holds anything else.
    pub fn parse(text: &str) -> Result<Self, AuditError> {
        let facts: Self =
            toml::from_str(text).map_err(|error| AuditError::Facts(error.message().to_owned()))?;
        facts.validated()
    }

    /// These facts, if they can be.
    ///
    /// # Errors
    /// When there are not three class numbers, or none above zero.
    pub fn validated(self) -> Result<Self, AuditError> {
        match &self.classes {
            Some(classes) if classes.len() != 3 || classes.iter().all(|&count| count == 0) => {
                Err(AuditError::Classes(classes.clone()))
            }
            _ => Ok(self),
        }
    }

    /// `self`, and `other` where `self` says nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut distributions = other.distributions;
        distributions.extend(self.distributions);
        Self {
            classes: self.classes.or(other.classes),
            samples: self.samples.or(other.samples),
            distributions,
        }
    }

    /// Class numbers as weights.
    pub(super) fn class_counts(&self) -> Option<[f64; 3]> {
        let counts = self.classes.as_deref()?;
        <[u32; 3]>::try_from(counts).ok().map(|counts| counts.map(f64::from))
    }

    /// Images of the test set below a heading.
    pub(super) fn images(&self, heading: &str) -> Option<f64> {
        let wanted = key(heading);
        self.distributions.iter().find(|(name, _)| key(name) == wanted).map(|(_, &images)| images as f64)
    }
}
