//! What is to be evaluated, and on what calibrators may be fitted.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use balpoe_core::experiment::PostHoc;

use crate::error::LabError;
use crate::scores::{parse_whole_numbers, whole_numbers};

/// An evaluation of scores in files.
#[derive(Debug)]
pub struct Request<'a> {
    /// What the tables call it.
    pub name: &'a str,
    /// The scores and their labels.
    pub scores: Scores,
    /// How many classes plain numbers have; other files say it themselves.
    pub classes: Option<usize>,
    /// Whether the scores are probabilities, not logits.
    pub probabilities: bool,
    /// Training images of each class, `[classes]`, where they are known.
    pub class_counts: Option<Vec<usize>>,
    /// Calibrators, aggregator, test distributions.
    pub post_hoc: &'a PostHoc,
    /// What calibrators and aggregator are fitted on.
    pub fitting: Fitting,
    /// Whether a second table has every calibration metric.
    pub all_metrics: bool,
    /// Threads that read and score.
    pub threads: NonZeroUsize,
}

/// Files with the scores of one model on one set of samples.
#[derive(Clone, Debug)]
pub struct Scores {
    /// One file an expert, or files with several.
    pub files: Vec<PathBuf>,
    /// The labels; none if a file has an array `labels`.
    pub labels: Option<PathBuf>,
}

/// What calibrators and aggregators are fitted on.
#[derive(Clone, Debug)]
pub enum Fitting {
    /// Nothing.
    Nothing,
    /// Scores on other samples, which the caller asserts were neither trained on nor are scored.
    Asserted(Scores),
    /// The scored samples themselves: an upper bound.
    Oracle,
    /// So many folds of the scored samples, each scored by the fit on the others.
    Folds(usize),
}

impl Fitting {
    /// What tables add to the name of something that was fitted so.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Asserted(_) => " (held out, asserted)",
            Self::Oracle => " (oracle)",
            Self::Folds(_) => " (cross-fitted)",
        }
    }

    /// What a reader must know.
    pub(super) fn line(&self) -> Option<String> {
        Some(match self {
            Self::Nothing => return None,
            Self::Asserted(_) => {
                "calibrators and aggregator were fitted on other samples; that these were not trained on is asserted, not checked"
                    .to_owned()
            }
            Self::Oracle => {
                "oracle: calibrators and aggregator were fitted on the scored samples themselves; an upper bound, not a result"
                    .to_owned()
            }
            // Said by what is fitted.
            Self::Folds(_) => return None,
        })
    }
}

/// Training images of each class as the command line has them: a file, or numbers.
#[derive(Clone, Debug)]
pub struct ClassCounts(pub String);

impl ClassCounts {
    /// The numbers.
    ///
    /// # Errors
    /// If there is no such file, or it has something else.
    pub fn read(&self) -> Result<Vec<usize>, LabError> {
        let counts = match parse_whole_numbers(&self.0) {
            Ok(counts) => counts,
            Err(_) => whole_numbers(&PathBuf::from(&self.0))?,
        };
        Ok(counts.into_iter().map(|count| count as usize).collect())
    }
}
