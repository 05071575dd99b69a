//! What a row of class scores holds.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the scores of a row are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoreKind {
    /// Unnormalised log-probabilities; their softmax is the prediction.
    Logits,
    /// Probabilities, used as they are.
    Probabilities,
}

impl ScoreKind {
    pub(super) fn requirement(self) -> &'static str {
        match self {
            Self::Logits => "numbers below infinity, at least one of them finite",
            Self::Probabilities => "numbers in 0..=1 that sum to 1 within 0.001",
        }
    }
}

impl fmt::Display for ScoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logits => "logits",
            Self::Probabilities => "probabilities",
        })
    }
}
