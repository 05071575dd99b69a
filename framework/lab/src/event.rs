//! What a run tells while it works. Libraries do not print: the program turns events into a bar or into lines.

use std::time::Duration;

use balpoe_core::experiment::Phase;

use crate::error::LabError;
use crate::summary::Metrics;

/// Which cell an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellName {
    /// Name of the arm.
    pub arm: String,
    /// The seed.
    pub seed: u64,
    /// Position among the cells of the experiment, from zero.
    pub position: usize,
    /// Cells in all.
    pub cells: usize,
}

/// Something happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A cell's result was there already.
    Cached(&'a CellName),
    /// A cell begins to train, from the start or from a checkpoint.
    Training {
        /// The cell.
        cell: &'a CellName,
        /// Epochs that are done.
        from_epoch: usize,
        /// Epochs in all.
        epochs: usize,
        /// Batches of an epoch.
        batches: usize,
    },
    /// A phase of training begins.
    Phase {
        /// The cell.
        cell: &'a CellName,
        /// What changes.
        phase: &'a Phase,
        /// Its number among the arm's phases, from one.
        position: usize,
    },
    /// A step is done.
    Step {
        /// The cell.
        cell: &'a CellName,
        /// Where it stands.
        step: Step,
    },
    /// An epoch is done.
    Epoch {
        /// The cell.
        cell: &'a CellName,
        /// The epoch, from one.
        epoch: usize,
        /// Epochs in all.
        epochs: usize,
        /// Mean of the batch losses.
        loss: f64,
        /// Accuracy on the (mixed) training images.
        accuracy: f64,
        /// Learning rate of the last step.
        learning_rate: f64,
        /// Images a second over the epoch.
        images_per_second: f64,
        /// Expected time until the cell is trained.
        left: Duration,
    },
    /// The test images are being predicted.
    Predicting(&'a CellName),
    /// A cell has its result.
    Evaluated {
        /// The cell.
        cell: &'a CellName,
        /// Its figures.
        metrics: &'a Metrics,
        /// Time since the cell began.
        took: Duration,
    },
    /// A cell failed; the others go on unless the experiment says otherwise.
    Failed {
        /// The cell.
        cell: &'a CellName,
        /// Why.
        error: &'a LabError,
    },
    /// Something the user should know, once.
    Notice(String),
}

/// The state of training after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The epoch, from one.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Batches done in this epoch.
    pub batch: usize,
    /// Batches of an epoch.
    pub batches: usize,
    /// Loss of the batch.
    pub loss: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Images a second since training began or went on.
    pub images_per_second: f64,
}

/// Receives events.
pub type Observer<'a> = dyn Fn(&Event<'_>) + Sync + 'a;
