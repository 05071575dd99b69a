//! Experts' logits on a set of samples, and the type that says they were held out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::tensor::{Device, Matrix};
use dfdx::prelude::TensorFromVec;

/// The split that a sample belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SampleSplit {
    /// The training images (a validation split is cut from them).
    Train,
    /// The test images.
    Test,
    /// Samples of a model that was trained elsewhere.
    Foreign,
}

/// The identity of a sample: its split and its position there.
pub type SampleId = (SampleSplit, u32);

/// Row-major logits `[samples, classes]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogitMatrix {
    /// The values.
    pub values: Vec<f32>,
    /// Columns.
    pub classes: usize,
}

impl LogitMatrix {
    /// The number of rows.
    pub fn samples(&self) -> usize {
        self.values.len() / self.classes.max(1)
    }

    /// Rows `range` as a dfdx matrix.
    pub fn matrix(&self, range: std::ops::Range<usize>, device: &Device) -> Matrix {
        let shape = (range.len(), self.classes);
        device.tensor_from_vec(
            self.values[range.start * self.classes..range.end * self.classes].to_vec(),
            shape,
        )
    }
}

/// Every expert's logits on a set of samples with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// One matrix `[samples, classes]` per expert.
    pub experts: Vec<LogitMatrix>,
    /// The true classes.
    pub labels: Vec<u32>,
    /// Which samples these are.
    pub identities: Vec<SampleId>,
}

impl Predictions {
    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.labels.len()
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.experts.first().map_or(0, |expert| expert.classes)
    }

    /// Only these rows, in this order.
    ///
    /// # Panics
    /// If a row is outside.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        let pick = |matrix: &LogitMatrix| {
            let classes = matrix.classes;
            let values = rows
                .iter()
                .flat_map(|&r| &matrix.values[r as usize * classes..][..classes])
                .copied()
                .collect();
            LogitMatrix { values, classes }
        };
        Self {
            experts: self.experts.iter().map(pick).collect(),
            labels: rows.iter().map(|&r| self.labels[r as usize]).collect(),
            identities: rows.iter().map(|&r| self.identities[r as usize]).collect(),
        }
    }
}

/// How it is known that fitted samples were held out; printed with every result that was fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Identities were compared: no fitted sample was trained on or is scored.
    HeldOut,
    /// The caller asserted it, for a model that was trained elsewhere.
    Asserted,
    /// Fitted on the very samples that are scored: an upper bound, not a result.
    Oracle,
}

/// Predictions that were in no training step and are not among the scored samples; the only thing that calibrators and
/// aggregators can be fitted on.
#[derive(Clone, Debug)]
pub struct HeldOut {
    predictions: Predictions,
    protocol: Protocol,
}

/// Samples that should be held out are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHeldOut {
    /// Some were trained on.
    #[error(
        "{0} of the samples to fit on were trained on; set [validation], which keeps some training images apart"
    )]
    TrainedOn(usize),
    /// Some are scored.
    #[error(
        "{0} of the samples to fit on are among those that are scored; fit on a validation split or by folds"
    )]
    Scored(usize),
    /// There are none.
    #[error(
        "there are no held-out samples to fit on; set [validation], which keeps some training images apart"
    )]
    Empty,
}

impl HeldOut {
    /// Checks the identities.
    ///
    /// # Errors
    /// If there are no samples, or one of them was trained on or is scored.
    pub fn new(
        predictions: Predictions,
        trained_on: &BTreeSet<SampleId>,
        scored: &BTreeSet<SampleId>,
    ) -> Result<Self, NotHeldOut> {
        let within =
            |set: &BTreeSet<SampleId>| predictions.identities.iter().filter(|id| set.contains(id)).count();
        if predictions.samples() == 0 {
            return Err(NotHeldOut::Empty);
        }
        match (within(trained_on), within(scored)) {
            (0, 0) => Ok(Self { predictions, protocol: Protocol::HeldOut }),
            (0, scored) => Err(NotHeldOut::Scored(scored)),
            (trained, _) => Err(NotHeldOut::TrainedOn(trained)),
        }
    }

    /// Takes the caller's word, for logits from elsewhere.
    pub fn asserted(predictions: Predictions) -> Self {
        Self { predictions, protocol: Protocol::Asserted }
    }

    /// The scored samples themselves; results are labelled `oracle`.
    pub fn oracle(predictions: Predictions) -> Self {
        Self { predictions, protocol: Protocol::Oracle }
    }

    /// The same samples with other logits made from theirs, such as calibrated ones.
    #[must_use]
    pub fn with_experts(&self, experts: Vec<LogitMatrix>) -> Self {
        Self { predictions: Predictions { experts, ..self.predictions.clone() }, protocol: self.protocol }
    }

    /// The predictions.
    pub fn predictions(&self) -> &Predictions {
        &self.predictions
    }

    /// How they are known to be held out.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(ids: &[SampleId]) -> Predictions {
        let values = vec![0.0; ids.len() * 2];
        Predictions {
            experts: vec![LogitMatrix { values, classes: 2 }],
            labels: vec![0; ids.len()],
            identities: ids.to_vec(),
        }
    }

    #[test]
    fn what_was_trained_on_or_is_scored_is_refused() {
        let (train, test) = (SampleSplit::Train, SampleSplit::Test);
        let trained = BTreeSet::from([(train, 1)]);
        let scored = BTreeSet::from([(test, 1)]);
        let made = |ids: &[SampleId]| HeldOut::new(predictions(ids), &trained, &scored).map(|h| h.protocol());
        assert_eq!(made(&[(train, 2), (test, 2)]), Ok(Protocol::HeldOut));
        assert_eq!(made(&[(train, 1), (train, 2)]), Err(NotHeldOut::TrainedOn(1)));
        assert_eq!(made(&[(test, 1), (test, 1)]), Err(NotHeldOut::Scored(2)));
        assert_eq!(made(&[]), Err(NotHeldOut::Empty));
    }
}
