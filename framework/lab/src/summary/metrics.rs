//! What one cell of an experiment measured.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::table::{Column, Direction};

/// The name of the uniform test distribution: what the main tables show.
pub(super) const UNIFORM: &str = "uniform";

/// The metrics of one cell (an arm with one seed), by what was measured, sorted.
///
/// Accuracies, ECE, MCE and so on are fractions, not percent. `None` means undefined, such as the accuracy of a shot
/// group without classes. As JSON it is one flat object: `{"ensemble/uniform/accuracy": 0.5198, …}`, undefined as `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metrics(BTreeMap<Key, Option<f64>>);

/// What was measured: whose prediction, on which test distribution, by which metric.
///
/// Written `subject/distribution/metric`, such as `expert0/forward50/few`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key {
    /// Whose prediction.
    pub subject: Subject,
    /// The name of the test class distribution, such as `uniform`, `forward50` or `backward2`.
    pub distribution: String,
    /// The metric.
    pub metric: Metric,
}

/// Whose prediction is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// What the aggregator makes of all experts; written `ensemble`.
    Ensemble,
    /// The same, corrected toward the known class prior of the test distribution; written `corrected`.
    Corrected,
    /// One expert alone, counted from 0; written `expert0`.
    Expert(usize),
}

/// A quantity measured on the predictions of one subject under one test distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Metric {
    /// Top-1 accuracy over all samples.
    Accuracy,
    /// The mean over many-shot classes (more than 100 training images) of each class's accuracy.
    Many,
    /// The mean over medium-shot classes (20 to 100 training images) of each class's accuracy.
    Medium,
    /// The mean over few-shot classes (fewer than 20 training images) of each class's accuracy.
    Few,
    /// Expected calibration error.
    Ece,
    /// Maximum calibration error.
    Mce,
    /// Negative log-likelihood in nats per sample.
    Nll,
    /// Brier score, summed over the classes: between 0 and 2.
    Brier,
}

/// Words that are no [`Key`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The three parts are not there.
    #[error("expected a metric key such as `ensemble/uniform/accuracy`, found `{0}`")]
    Parts(String),
    /// The first part is no subject.
    #[error("expected a subject (ensemble, corrected, expert0, expert1, …), found `{0}`")]
    Subject(String),
    /// The last part is no metric.
    #[error("expected a metric ({}), found `{found}`", Metric::ALL.map(Metric::name).join(", "))]
    Metric {
        /// The part.
        found: String,
    },
}

impl Metrics {
    /// No metrics.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a value as fraction. A value that is not finite (an infinite NLL) is recorded as undefined.
    pub fn insert(&mut self, key: Key, value: impl Into<Option<f64>>) {
        self.0.insert(key, value.into().filter(|value| value.is_finite()));
    }

    /// The value of `key`; `None` when it is undefined or was not measured.
    pub fn get(&self, key: &Key) -> Option<f64> {
        self.0.get(key).copied().flatten()
    }

    /// Whether `key` was measured, be it undefined.
    pub fn contains(&self, key: &Key) -> bool {
        self.0.contains_key(key)
    }

    /// Everything measured, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, Option<f64>)> {
        self.0.iter().map(|(key, value)| (key, *value))
    }

    /// What was measured, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.keys()
    }
}

impl FromIterator<(Key, Option<f64>)> for Metrics {
    fn from_iter<I: IntoIterator<Item = (Key, Option<f64>)>>(entries: I) -> Self {
        let mut metrics = Self::new();
        for (key, value) in entries {
            metrics.insert(key, value);
        }
        metrics
    }
}

impl Key {
    /// What `subject` does under `distribution`, measured by `metric`.
    pub fn new(subject: Subject, distribution: impl Into<String>, metric: Metric) -> Self {
        Self { subject, distribution: distribution.into(), metric }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.subject, self.distribution, self.metric)
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(words: &str) -> Result<Self, KeyError> {
        let parts = || KeyError::Parts(words.to_owned());
        let (subject, rest) = words.split_once('/').ok_or_else(parts)?;
        let (distribution, metric) = rest.rsplit_once('/').ok_or_else(parts)?;
        Ok(Self::new(subject.parse()?, distribution, metric.parse()?))
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(words: String) -> Result<Self, KeyError> {
        words.parse()
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.to_string()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ensemble => f.write_str("ensemble"),
            Self::Corrected => f.write_str("corrected"),
            Self::Expert(expert) => write!(f, "expert{expert}"),
        }
    }
}

impl FromStr for Subject {
    type Err = KeyError;

    fn from_str(words: &str) -> Result<Self, KeyError> {
        let unknown = || KeyError::Subject(words.to_owned());
        match words {
            "ensemble" => Ok(Self::Ensemble),
            "corrected" => Ok(Self::Corrected),
            _ => {
                let digits = words.strip_prefix("expert").ok_or_else(unknown)?;
                // One way to write a number, so that reading and writing a key gives the same bytes.
                match digits.parse::<usize>() {
                    Ok(expert) if expert.to_string() == digits => Ok(Self::Expert(expert)),
                    _ => Err(unknown()),
                }
            }
        }
    }
}

impl Metric {
    /// Every metric, in the order of the tables.
    pub const ALL: [Self; 8] =
        [Self::Accuracy, Self::Many, Self::Medium, Self::Few, Self::Ece, Self::Mce, Self::Nll, Self::Brier];

    /// The accuracies: over all samples, and of the three shot groups.
    pub const ACCURACIES: [Self; 4] = [Self::Accuracy, Self::Many, Self::Medium, Self::Few];

    /// The name in keys and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Many => "many",
            Self::Medium => "medium",
            Self::Few => "few",
            Self::Ece => "ece",
            Self::Mce => "mce",
            Self::Nll => "nll",
            Self::Brier => "brier",
        }
    }

    /// Which values are better.
    pub fn direction(self) -> Direction {
        match self {
            Self::Accuracy | Self::Many | Self::Medium | Self::Few => Direction::HigherIsBetter,
            Self::Ece | Self::Mce | Self::Nll | Self::Brier => Direction::LowerIsBetter,
        }
    }

    /// The factor from the value that is measured to the value that tables show: 100 for those shown in percent.
    pub fn scale(self) -> f64 {
        if self.unit().is_some() { 100.0 } else { 1.0 }
    }

    /// How many decimals tables show.
    pub(crate) fn decimals(self) -> usize {
        if self.unit().is_some() { 2 } else { 3 }
    }

    /// The unit that tables show.
    pub(super) fn unit(self) -> Option<&'static str> {
        match self {
            Self::Nll | Self::Brier => None,
            _ => Some("%"),
        }
    }

    /// The heading in tables.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Accuracy => "all",
            Self::Many => "many",
            Self::Medium => "medium",
            Self::Few => "few",
            Self::Ece => "ECE",
            Self::Mce => "MCE",
            Self::Nll => "NLL",
            Self::Brier => "Brier",
        }
    }

    /// A table column of this metric, below the heading of its kind.
    pub(super) fn column(self) -> Column {
        let group = if Self::ACCURACIES.contains(&self) { "accuracy" } else { "calibration" };
        Column {
            group: Some(group.to_owned()),
            name: self.heading().to_owned(),
            unit: self.unit().map(str::to_owned),
            decimals: self.decimals(),
            direction: Some(self.direction()),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Metric {
    type Err = KeyError;

    fn from_str(words: &str) -> Result<Self, KeyError> {
        let found = Self::ALL.into_iter().find(|metric| metric.name() == words);
        found.ok_or_else(|| KeyError::Metric { found: words.to_owned() })
    }
}
