//! A calibrator with its place in the pipeline.

use serde::Deserialize;

use crate::components::Calibrator;
use crate::registry::Built;

/// Where a calibrator works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// On each expert, before aggregation.
    Experts,
    /// On the aggregated prediction.
    Ensemble,
}

/// A calibrator of the experiment, with its place in the pipeline.
#[derive(Debug)]
pub struct FittedCalibrator {
    /// Before or after aggregation.
    pub stage: Stage,
    /// The component.
    pub calibrator: Built<dyn Calibrator>,
}
