//! Predictions of one network or ensemble, and how good and how honest they are.
//!
//! ```
//! use balpoe_stats::calibration::{Binning, Outcomes, Predictions};
//!
//! let logits = [2.0, 1.0, 0.0, 0.0, 3.0, 0.0];
//! let labels = [0, 2];
//! let outcomes = Outcomes::of(&Predictions::logits(&logits, &labels, 3)?)?;
//!
//! let uniform = outcomes.all();                      // the test set as it is
//! assert_eq!(uniform.accuracy(), 0.5);
//! let ece = uniform.reliability(Binning::default()).ece();
//!
//! let forward = outcomes.at(&[0, 0, 0, 1])?;          // another test distribution: a list of rows
//! assert_eq!(forward.accuracy(), 0.75);
//! # let _ = ece;
//! # Ok::<(), balpoe_stats::calibration::EvaluationError>(())
//! ```

mod accuracy;
mod binning;
mod brier;
mod calibration_error;
mod class_equal_mass;
mod class_equal_width;
mod class_reliability;
mod diversity;
mod error;
mod evaluation;
mod groups;
mod histogram;
mod kernel;
mod outcomes;
mod predictions;
mod proper_scores;
mod reliability;
mod resampled;
mod score_kind;
mod selective;
mod softmax;

pub use accuracy::{ClassAccuracy, ConfusionMatrix, GroupAccuracy};
pub use binning::Binning;
pub use brier::BrierDecomposition;
pub use class_reliability::{ClassErrors, ClassReliability};
pub use diversity::Diversity;
pub use error::EvaluationError;
pub use evaluation::Evaluation;
pub use groups::{GroupBy, Groups, PerGroup, ShotGroup};
pub use histogram::Histogram;
pub use outcomes::{Outcome, Outcomes};
pub use predictions::Predictions;
pub use reliability::{Reliability, ReliabilityBin};
pub use score_kind::ScoreKind;
pub use selective::{RiskCoverage, RiskPoint};
