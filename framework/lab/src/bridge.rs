//! The bridge between the engine and dfdx: features or logits go out, gradients come back.
//!
//! Features (or logits, where the head is lowered) leave the engine as untraced tensors; the plugins' mathematics is traced from
//! there; after `backward` the gradients are read in place and become the seeds of the engine's backward pass.

use std::panic::{AssertUnwindSafe, catch_unwind};

use balpoe_core::components::{ExpertHead, ExpertOutput, LossInput, Targets, TrainingLoss};
use balpoe_core::tensor::dfdx::prelude::{AsArray, Gradients, TensorFromVec, Trace};
use balpoe_core::tensor::dfdx::tensor_ops::Backward;
use balpoe_core::tensor::{Device, Matrix};

use crate::error::LabError;

/// One expert's tensors as they come from the engine.
pub(crate) struct EngineExpert {
    /// Features `[batch, features]`.
    pub(crate) features: Vec<f32>,
    /// What the logits are made from.
    pub(crate) source: LogitSource,
}

/// Where an expert's logits come from.
pub(crate) enum LogitSource {
    /// The engine's own head: `[batch, classes]`.
    Logits(Vec<f32>),
    /// The head's parameters as matrices, for the plugin's forward pass.
    Parameters(Vec<(Vec<f32>, (usize, usize))>),
}

/// A loss with its gradients.
pub(crate) struct LossGradients {
    pub(crate) loss: f64,
    /// For each expert.
    pub(crate) experts: Vec<ExpertGradients>,
}

/// Gradients of the loss with respect to what one expert gave.
pub(crate) struct ExpertGradients {
    pub(crate) features: Vec<f32>,
    /// Present where the engine computed the logits.
    pub(crate) logits: Option<Vec<f32>>,
    /// Of each of the head's parameters; empty where the engine has the head.
    pub(crate) parameters: Vec<Vec<f32>>,
    /// The logits' values, for the training accuracy.
    pub(crate) logit_values: Vec<f32>,
}

/// The circumstances of a step.
pub(crate) struct BridgeStep<'a> {
    pub(crate) targets: &'a Targets,
    pub(crate) classes: usize,
    pub(crate) epoch: usize,
    pub(crate) epochs: usize,
    /// Seeds dfdx's device for this step.
    pub(crate) device_seed: u64,
}

/// The leaves of one expert's graph.
struct Leaves {
    features: Matrix,
    logits: Option<Matrix>,
    parameters: Vec<Matrix>,
}

/// Runs heads and loss through dfdx.
pub(crate) fn loss_through_dfdx(
    experts: Vec<EngineExpert>,
    head: &dyn ExpertHead,
    loss: &dyn TrainingLoss,
    step: &BridgeStep<'_>,
) -> Result<LossGradients, LabError> {
    guarded("objective", || {
        let device = Device::seed_from_u64(step.device_seed);
        let batch = step.targets.first.len();
        let mut leaves = Vec::new();
        let mut outputs = Vec::new();
        let mut values = Vec::new();
        for expert in experts {
            let width = expert.features.len() / batch.max(1);
            let features: Matrix = device.tensor_from_vec(expert.features, (batch, width));
            let leaf = match expert.source {
                LogitSource::Logits(logits) => {
                    let logits = device.tensor_from_vec(logits, (batch, step.classes));
                    Leaves { features, logits: Some(logits), parameters: Vec::new() }
                }
                LogitSource::Parameters(parameters) => {
                    let parameters =
                        parameters.into_iter().map(|(v, shape)| device.tensor_from_vec(v, shape)).collect();
                    Leaves { features, logits: None, parameters }
                }
            };
            let logits = match &leaf.logits {
                Some(logits) => logits.leaky_trace(),
                None => head.forward(&leaf.parameters, leaf.features.leaky_trace()),
            };
            values.push(logits.as_vec());
            outputs.push(ExpertOutput { logits, features: leaf.features.clone() });
            leaves.push(leaf);
        }
        let input = LossInput {
            experts: outputs,
            target: device.tensor_from_vec(step.targets.dense(step.classes), (batch, step.classes)),
            targets: step.targets,
            epoch: step.epoch,
            epochs: step.epochs,
            device: &device,
        };
        let loss = loss.loss(input).map_err(|error| error.message)?;
        let value = f64::from(loss.array());
        let mut gradients = loss.backward();
        let mut experts = Vec::new();
        for (leaf, logit_values) in leaves.iter().zip(values) {
            experts.push(ExpertGradients {
                features: read(&mut gradients, &leaf.features)?,
                logits: leaf.logits.as_ref().map(|logits| read(&mut gradients, logits)).transpose()?,
                parameters: leaf
                    .parameters
                    .iter()
                    .map(|p| read(&mut gradients, p))
                    .collect::<Result<_, _>>()?,
                logit_values,
            });
        }
        Ok(LossGradients { loss: value, experts })
    })
}

/// Logits `[batch, classes]` of a plugin head, without a gradient.
pub(crate) fn logits_through_dfdx(
    head: &dyn ExpertHead,
    parameters: &[(Vec<f32>, (usize, usize))],
    features: Vec<f32>,
    batch: usize,
) -> Result<Vec<f32>, LabError> {
    guarded("head", || {
        let device = Device::seed_from_u64(0);
        let width = features.len() / batch.max(1);
        let parameters: Vec<Matrix> =
            parameters.iter().map(|(values, shape)| device.tensor_from_vec(values.clone(), *shape)).collect();
        let features: Matrix = device.tensor_from_vec(features, (batch, width));
        Ok(head.forward(&parameters, features.leaky_trace()).as_vec())
    })
}

/// The gradient of a leaf; zeros if the loss does not depend on it.
fn read(gradients: &mut Gradients<f32, Device>, leaf: &Matrix) -> Result<Vec<f32>, String> {
    gradients.get_or_alloc_mut(leaf).map(|values| values.to_vec()).map_err(|error| format!("{error:?}"))
}

/// Runs a plugin's code; dfdx reports wrong shapes by panicking, and a plugin's mistake must not take the other cells down.
pub(crate) fn guarded<T>(component: &str, work: impl FnOnce() -> Result<T, String>) -> Result<T, LabError> {
    let failed = |message: String| LabError::Component { component: component.to_owned(), message };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(failed),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(failed(format!("it panicked: {text}")))
        }
    }
}
