//! The results of an experiment: metrics of every arm and seed, beside published rows.

use std::collections::{BTreeMap, BTreeSet};

use balpoe_stats::statistics::{Level, Sample};
use thiserror::Error;

use super::metrics::{Key, Metric, Metrics, Subject};
use super::reference::Row;
use super::tuning::Tuning;
use crate::table::{Cell, Estimate};

/// What came out of an experiment, from which its tables are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// The name of the experiment.
    pub name: String,
    /// What a reader must know to compare the figures with others: data, subset hash, selection, binning. One line each.
    pub protocol: Vec<String>,
    /// What sweeps have tried, arm by arm.
    pub tuning: Vec<Tuning>,
    /// The level of all intervals.
    pub level: Level,
    arms: Vec<Arm>,
    baseline: usize,
    published: Vec<Published>,
}

/// A variant of an experiment, run with several seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// The name of the variant.
    pub name: String,
    /// For each seed the metrics, or in words why the cell has failed.
    pub cells: Vec<(u64, Result<Metrics, String>)>,
}

/// A published row shown beside ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The figures and where they come from.
    pub row: Row,
    /// The arm that is meant to reproduce them; without it they are only shown.
    pub arm: Option<String>,
}

/// A name that no arm has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected the name of an arm ({}), found `{found}`", .expected.join(", "))]
pub struct UnknownArm {
    /// The name.
    pub found: String,
    /// The names of the arms.
    pub expected: Vec<String>,
}

/// The defined values of one metric by seed, in the unit of the tables.
pub(crate) type Series = BTreeMap<u64, f64>;

impl Experiment {
    /// The results `arms`, of which the first is the baseline that the others are compared with.
    pub fn new(name: impl Into<String>, arms: Vec<Arm>) -> Self {
        Self {
            name: name.into(),
            protocol: Vec::new(),
            tuning: Vec::new(),
            level: Level::P95,
            arms,
            baseline: 0,
            published: Vec::new(),
        }
    }

    /// Compares the other arms with the arm `name`.
    ///
    /// # Errors
    /// When no arm has that name.
    pub fn compared_with(mut self, name: &str) -> Result<Self, UnknownArm> {
        self.baseline = self.position(name)?;
        Ok(self)
    }

    /// Shows a published row, and judges whether its arm reproduces it.
    ///
    /// # Errors
    /// When no arm has the name of its arm.
    pub fn beside(mut self, published: Published) -> Result<Self, UnknownArm> {
        if let Some(arm) = &published.arm {
            self.position(arm)?;
        }
        self.published.push(published);
        Ok(self)
    }

    /// The arms in their given order.
    pub fn arms(&self) -> &[Arm] {
        &self.arms
    }

    pub(crate) fn baseline(&self) -> Option<&Arm> {
        self.arms.get(self.baseline)
    }

    pub(super) fn published(&self) -> &[Published] {
        &self.published
    }

    pub(super) fn arm(&self, name: &str) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.name == name)
    }

    /// Everything that some arm measured.
    pub(super) fn keys(&self) -> BTreeSet<&Key> {
        self.arms.iter().flat_map(Arm::finished).flat_map(|(_, metrics)| metrics.keys()).collect()
    }

    /// The metrics that some arm measured for `subject` under `distribution`, in the order of the tables.
    pub(crate) fn metrics(&self, subject: Subject, distribution: &str) -> Vec<Metric> {
        let keys = self.keys();
        let measured = |metric: &Metric| keys.contains(&Key::new(subject, distribution, *metric));
        Metric::ALL.into_iter().filter(measured).collect()
    }

    fn position(&self, name: &str) -> Result<usize, UnknownArm> {
        self.arms.iter().position(|arm| arm.name == name).ok_or_else(|| UnknownArm {
            found: name.to_owned(),
            expected: self.arms.iter().map(|arm| arm.name.clone()).collect(),
        })
    }
}

impl Arm {
    /// The cells that have metrics.
    pub(super) fn finished(&self) -> impl Iterator<Item = (u64, &Metrics)> {
        self.cells.iter().filter_map(|(seed, result)| Some((*seed, result.as_ref().ok()?)))
    }

    /// The seeds of the cells that have metrics.
    pub(super) fn seeds(&self) -> BTreeSet<u64> {
        self.finished().map(|(seed, _)| seed).collect()
    }

    /// The defined values of `key` by seed, in the unit of the tables.
    pub(crate) fn series(&self, key: &Key) -> Series {
        let scale = key.metric.scale();
        self.finished().filter_map(|(seed, metrics)| Some((seed, metrics.get(key)? * scale))).collect()
    }

    /// The estimate of `key`, or a cell that says why there is none.
    pub(super) fn cell(&self, key: &Key, level: Level, best: bool) -> Cell {
        let series = self.series(key);
        let cell = match sample(&series) {
            Some(sample) => Estimate { best, ..Estimate::of(&sample, level) }.into(),
            None => Cell::missing(self.why_missing(key)),
        };
        let decimals = Some(key.metric.decimals());
        let finished = self.seeds();
        if series.is_empty() || series.len() == finished.len() {
            return Cell { decimals, ..cell };
        }
        let undefined = finished.iter().filter(|seed| !series.contains_key(seed)).map(u64::to_string);
        let undefined = undefined.collect::<Vec<_>>().join(", ");
        let footnote = Some(format!("n = {}: undefined with seed {undefined}", series.len()));
        Cell { footnote, decimals, ..cell }
    }

    fn why_missing(&self, key: &Key) -> String {
        if self.finished().next().is_none() {
            "no cell finished".to_owned()
        } else if !self.finished().any(|(_, metrics)| metrics.contains(key)) {
            "not measured".to_owned()
        } else if matches!(key.metric, Metric::Many | Metric::Medium | Metric::Few) {
            format!("no {}-shot class has test images", key.metric)
        } else {
            format!("the {} is undefined (not finite) with every seed", key.metric.heading())
        }
    }
}

/// The values as a sample, in the order of the seeds; `None` when there is none.
pub(crate) fn sample(series: &Series) -> Option<Sample> {
    Sample::new(series.values().copied().collect::<Vec<_>>()).ok()
}
