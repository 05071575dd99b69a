//! From the metrics of every cell to the tables of an experiment.
//!
//! [`Metrics`] are what the evaluation measured for one cell (an arm with one seed); an [`Experiment`] collects them
//! over arms and seeds, together with [published rows](mod@reference), and makes the tables: accuracy and calibration, every
//! test distribution, differences from the baseline, single experts, and whether published figures are reproduced.

mod best;
mod differences;
mod distributions;
mod experiment;
mod experts;
mod main_table;
mod metrics;
mod notes;
mod pairs;
pub mod reference;
mod reproduction;
mod tables;
mod tuning;

pub(crate) use differences::label;
pub(crate) use experiment::sample;
pub use experiment::{Arm, Experiment, Published, UnknownArm};
pub use metrics::{Key, KeyError, Metric, Metrics, Subject};
pub(crate) use notes::{cells as missing_cells, percent};
pub(crate) use pairs::paired;
pub use tuning::Tuning;
