//! Training curves from the metric logs of an arm's cells.

use std::collections::BTreeMap;
use std::path::Path;

use balpoe_stats::statistics::{Level, Sample};

use crate::error::LabError;
use crate::log;
use crate::plot::Point;
use crate::table::Estimate;

/// What training measured, by metric and then by epoch: one value per seed.
#[derive(Default)]
pub(super) struct Curves(BTreeMap<String, BTreeMap<usize, Vec<f64>>>);

impl Curves {
    /// Adds the log of one more seed; a cell from elsewhere may have none.
    pub(super) fn add(&mut self, cell: &Path) -> Result<(), LabError> {
        for measured in log::read(cell)? {
            let by_epoch = self.0.entry(measured.metric.into_owned()).or_default();
            by_epoch.entry(measured.epoch).or_default().push(measured.value);
        }
        Ok(())
    }

    /// The metrics that were measured, sorted.
    pub(super) fn metrics(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A metric by epoch, in units of `1 / scale`.
    pub(super) fn points(&self, metric: &str, scale: f64) -> Vec<(usize, Point)> {
        let by_epoch = self.0.get(metric).into_iter().flatten();
        let point = |(&epoch, values): (&usize, &Vec<f64>)| {
            let sample = Sample::new(values.iter().map(|value| value * scale).collect::<Vec<_>>()).ok()?;
            let estimate = Estimate::of(&sample, Level::P95);
            Some((epoch, Point { mean: estimate.mean, deviation: estimate.sd }))
        };
        by_epoch.filter_map(point).collect()
    }
}
