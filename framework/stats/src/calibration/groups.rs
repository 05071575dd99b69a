//! Many-, medium- and few-shot classes.

use serde::{Deserialize, Serialize};

use super::error::{EvaluationError, check_length};
use super::evaluation::Evaluation;

/// How many training images a class has (Liu et al., CVPR 2019).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShotGroup {
    /// More than 100 training images.
    Many,
    /// 20 to 100 training images, both included.
    Medium,
    /// Fewer than 20 training images.
    Few,
}

impl ShotGroup {
    /// The three groups, most images first.
    pub const ALL: [Self; 3] = [Self::Many, Self::Medium, Self::Few];

    /// The group of a class with `images` training images.
    pub fn of_count(images: usize) -> Self {
        match images {
            101.. => Self::Many,
            20..=100 => Self::Medium,
            0..20 => Self::Few,
        }
    }
}

/// The shot group of every class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Groups(Vec<ShotGroup>);

impl Groups {
    /// The groups that follow from the training images of each class.
    pub fn from_training_counts(counts: &[usize]) -> Self {
        Self(counts.iter().map(|&images| ShotGroup::of_count(images)).collect())
    }

    /// Groups that were published as a list, one per class.
    pub fn from_list(groups: Vec<ShotGroup>) -> Self {
        Self(groups)
    }

    /// The group of every class, in the order of the classes.
    pub fn as_slice(&self) -> &[ShotGroup] {
        &self.0
    }

    /// The unweighted mean over the classes of each group that have a value; `None` for a group with no such class.
    pub(super) fn means(&self, values: &[Option<f64>]) -> PerGroup<Option<f64>> {
        PerGroup::from_fn(|group| {
            let members = self.0.iter().zip(values).filter(|(member, _)| **member == group);
            mean_of_present(members.filter_map(|(_, value)| *value))
        })
    }
}

/// One value for each shot group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerGroup<T> {
    /// The value of the many-shot classes.
    pub many: T,
    /// The value of the medium-shot classes.
    pub medium: T,
    /// The value of the few-shot classes.
    pub few: T,
}

impl<T> PerGroup<T> {
    /// The values that `value` gives for each group.
    pub fn from_fn(mut value: impl FnMut(ShotGroup) -> T) -> Self {
        Self { many: value(ShotGroup::Many), medium: value(ShotGroup::Medium), few: value(ShotGroup::Few) }
    }

    /// The value of one group.
    pub fn get(&self, group: ShotGroup) -> &T {
        match group {
            ShotGroup::Many => &self.many,
            ShotGroup::Medium => &self.medium,
            ShotGroup::Few => &self.few,
        }
    }
}

/// What puts a row into a shot group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// Its true class, as group accuracy does. The rows of a given true class are the ones that a model finds easy or
    /// hard *because* of their class, so that even a perfectly calibrated model is not calibrated on them.
    Label,
    /// Its predicted class: how far to trust the model when it says "few-shot". A perfectly calibrated model stays so.
    Prediction,
}

impl<'a> Evaluation<'a> {
    /// The rows of each shot group; `None` for a group without rows. Their metrics are per-group metrics.
    ///
    /// # Errors
    /// When `groups` has not one entry per class.
    pub fn by_group(
        &self,
        groups: &Groups,
        by: GroupBy,
    ) -> Result<PerGroup<Option<Evaluation<'a>>>, EvaluationError> {
        check_length("shot groups", "class", self.classes(), groups.0.len())?;
        Ok(PerGroup::from_fn(|group| {
            self.filter(|outcome| {
                let class = match by {
                    GroupBy::Label => outcome.label,
                    GroupBy::Prediction => outcome.prediction,
                };
                groups.0[class as usize] == group
            })
        }))
    }
}

/// The mean of the values, `None` when there is none.
pub(super) fn mean_of_present(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}
