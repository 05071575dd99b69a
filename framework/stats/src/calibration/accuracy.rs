//! Accuracy: overall, by class, by shot group, and who is taken for whom.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{EvaluationError, check_length};
use super::evaluation::Evaluation;
use super::groups::{Groups, PerGroup, mean_of_present};

/// The accuracy within each class, in 0..=1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassAccuracy(Vec<Option<f64>>);

/// The accuracy of each shot group, and the classes that it could not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupAccuracy {
    /// The unweighted mean over the group's classes that have test images; `None` when none has.
    pub groups: PerGroup<Option<f64>>,
    /// The classes without test images, ascending: left out of every mean.
    pub empty_classes: Vec<u32>,
}

/// How much weight of each label went to each prediction. Kept sparse: 8,142 classes have 66 million cells.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfusionMatrix {
    classes: usize,
    cells: BTreeMap<(u32, u32), f64>,
}

impl Evaluation<'_> {
    /// The fraction of the weight that is predicted right (top-1 accuracy), in 0..=1.
    pub fn accuracy(&self) -> f64 {
        self.mean(|outcome| f64::from(u8::from(outcome.correct())))
    }

    /// The accuracy within each class.
    pub fn class_accuracy(&self) -> ClassAccuracy {
        let mut right = vec![0.0; self.classes()];
        for (_, outcome, weight) in self.rows().filter(|(_, outcome, _)| outcome.correct()) {
            right[outcome.label as usize] += weight;
        }
        let totals = self.label_weights();
        ClassAccuracy(right.iter().zip(&totals).map(|(r, &t)| (t > 0.0).then(|| r / t)).collect())
    }

    /// The accuracy of many-, medium- and few-shot classes, each the unweighted mean over its classes.
    ///
    /// # Errors
    /// When `groups` has not one entry per class.
    pub fn group_accuracy(&self, groups: &Groups) -> Result<GroupAccuracy, EvaluationError> {
        self.class_accuracy().by_group(groups)
    }

    /// The confusion matrix, in units of weight.
    pub fn confusion(&self) -> ConfusionMatrix {
        let mut cells = BTreeMap::new();
        for (_, outcome, weight) in self.rows() {
            *cells.entry((outcome.label, outcome.prediction)).or_insert(0.0) += weight;
        }
        ConfusionMatrix { classes: self.classes(), cells }
    }
}

impl ClassAccuracy {
    /// One accuracy per class; `None` for a class without test images.
    pub fn as_slice(&self) -> &[Option<f64>] {
        &self.0
    }

    /// Balanced accuracy: the unweighted mean over the classes that have test images.
    pub fn mean(&self) -> f64 {
        mean_of_present(self.0.iter().copied().flatten()).unwrap_or(0.0)
    }

    /// The classes without test images, ascending.
    pub fn empty_classes(&self) -> Vec<u32> {
        (0..).zip(&self.0).filter(|(_, accuracy)| accuracy.is_none()).map(|(class, _)| class).collect()
    }

    /// The means over shot groups.
    ///
    /// # Errors
    /// When `groups` has not one entry per class.
    pub fn by_group(&self, groups: &Groups) -> Result<GroupAccuracy, EvaluationError> {
        check_length("shot groups", "class", self.0.len(), groups.as_slice().len())?;
        Ok(GroupAccuracy { groups: groups.means(&self.0), empty_classes: self.empty_classes() })
    }
}

impl ConfusionMatrix {
    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The weight of rows with this label and this prediction.
    pub fn get(&self, label: u32, prediction: u32) -> f64 {
        self.cells.get(&(label, prediction)).copied().unwrap_or(0.0)
    }

    /// The cells that are not 0 as `(label, prediction, weight)`, sorted by label and then prediction.
    pub fn cells(&self) -> impl Iterator<Item = (u32, u32, f64)> {
        self.cells.iter().map(|(&(label, prediction), &weight)| (label, prediction, weight))
    }
}
