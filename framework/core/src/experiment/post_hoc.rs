//! What is done with finished predictions, where there is no experiment around them.

use super::calibrator::FittedCalibrator;
use super::sections::Sections;
use super::settings::Evaluate;
use crate::components::Aggregator;
use crate::config::{self, ConfigError, Override, Sources, Table};
use crate::registry::Built;

/// Calibrators, aggregator and test distributions for predictions of models that were trained elsewhere.
#[derive(Debug)]
pub struct PostHoc {
    /// Calibrators, in order.
    pub calibrators: Vec<FittedCalibrator>,
    /// How experts are combined.
    pub aggregator: Built<dyn Aggregator>,
    /// `[evaluate]`.
    pub evaluate: Evaluate,
}

/// As in an experiment that says nothing.
const DEFAULTS: &str = "aggregator = { kind = \"mean-logits\" }\n";

impl PostHoc {
    /// The mean of logits on the uniform distribution, changed by overrides such as `aggregator.kind=product-of-experts`.
    ///
    /// # Errors
    /// If an override does not fit.
    pub fn read(overrides: &[Override], sources: &mut Sources) -> Result<Self, ConfigError> {
        let id = sources.add("the defaults", DEFAULTS, ".");
        let mut table = Table::parse(DEFAULTS, id)?;
        config::apply(&mut table, overrides, sources)?;
        let mut sections = Sections { table, place: None, sources };
        let read = Self {
            calibrators: sections.calibrators()?,
            aggregator: sections.component()?,
            evaluate: sections.settings("evaluate", Evaluate::check)?.unwrap_or_default(),
        };
        sections.nothing_left()?;
        Ok(read)
    }
}
