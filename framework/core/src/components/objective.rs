//! Objectives: what loss trains the experts.

use std::fmt::Debug;

use balpoe_net::LogitAdjustedCrossEntropy;

use super::{ComponentError, Targets};
use crate::config::ConfigError;
use crate::tensor::{Device, Matrix, TracedMatrix, TracedScalar};

/// What an objective is to train.
#[derive(Clone, Copy, Debug)]
pub struct Trainees<'a> {
    /// The number of experts.
    pub experts: usize,
    /// Training images of each class, `[classes]`.
    pub class_counts: &'a [usize],
}

impl Trainees<'_> {
    /// The class prior p, `[classes]`: training images of each class over all.
    pub fn class_prior(&self) -> Vec<f64> {
        let total = self.class_counts.iter().sum::<usize>().max(1) as f64;
        self.class_counts.iter().map(|&n| n as f64 / total).collect()
    }
}

/// What loss trains the experts.
pub trait Objective: Debug + Send + Sync {
    /// Meets the network and the data set, and gives the loss for them.
    ///
    /// # Errors
    /// If the settings do not fit, such as a list of the wrong length; [`ConfigError::key`] points at the setting.
    fn prepare(&self, trainees: Trainees<'_>) -> Result<Box<dyn TrainingLoss>, ConfigError>;
}

/// One expert's part of a batch.
pub struct ExpertOutput {
    /// Logits `[batch, classes]`, traced.
    pub logits: TracedMatrix,
    /// Features `[batch, features]`. Tracing them (`leaky_trace`) lets the loss reach the network past the head.
    pub features: Matrix,
}

/// Everything that a loss may look at.
pub struct LossInput<'a> {
    /// One per expert.
    pub experts: Vec<ExpertOutput>,
    /// Soft targets `[batch, classes]`; each row sums to one.
    pub target: Matrix,
    /// The labels and mixing weights that the soft targets were made from.
    pub targets: &'a Targets,
    /// The epoch, from zero.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// dfdx's device, seeded for this step.
    pub device: &'a Device,
}

/// A loss that knows its network and its classes.
pub trait TrainingLoss: Send + Sync {
    /// The loss of a batch, in dfdx.
    ///
    /// # Errors
    /// If the batch is not one that the loss is defined for.
    fn loss(&self, input: LossInput<'_>) -> Result<TracedScalar, ComponentError>;

    /// Whether it takes a part of its input as constant (stop-gradient), as distillation does with its teacher: its gradient is
    /// then meant not to be the derivative of its value, and is not checked against it.
    fn stops_gradients(&self) -> bool {
        false
    }

    /// The same as an operation of the engine; `None` if there is none.
    fn lower(&self) -> Option<LogitAdjustedCrossEntropy> {
        None
    }
}
