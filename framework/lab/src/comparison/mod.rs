//! One arm against another: over seeds, over images, and over both.

mod effects;
mod images;
mod pairs;
mod tests_by_seed;

use balpoe_stats::statistics::Level;

pub use images::{ArmImages, image_outcomes};

use crate::summary::{Experiment, Metric, UnknownArm};
use crate::table::Table;

/// What is compared.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The arm that the others are compared with; the experiment's own baseline if none.
    pub baseline: Option<String>,
    /// The metrics; an empty list is everything that was measured.
    pub metrics: Vec<Metric>,
    /// The test class distribution.
    pub distribution: String,
    /// The level of intervals.
    pub level: Level,
}

impl Comparison {
    /// The tables `tests` and `effects` over seeds, and `images` where images are given.
    ///
    /// # Errors
    /// When no arm has the baseline's name.
    pub fn tables(&self, experiment: &Experiment, images: &[ArmImages]) -> Result<Vec<Table>, UnknownArm> {
        let experiment = match &self.baseline {
            Some(name) => experiment.clone().compared_with(name)?,
            None => experiment.clone(),
        };
        let pairs = pairs::pairs(&experiment, self);
        let mut tables = Vec::new();
        if !pairs.is_empty() {
            tables.push(tests_by_seed::table(&experiment, &pairs, self));
            tables.push(effects::table(&experiment, &pairs, self));
        }
        tables.extend(images::table(&experiment, images, self));
        Ok(tables)
    }
}
