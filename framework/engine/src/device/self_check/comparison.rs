//! One network on the processor and on devices, step by step.

use super::network::{CLASSES, EXPERTS, Numbers};
use crate::cuda::{CudaReplicas, StepImages};
use crate::{
    BatchNormGroup, CheckFailure, CpuExecutor, CpuOptions, EngineError, Mode, SoftTargets,
    logit_adjusted_cross_entropy, oracle,
};
use balpoe_net::{LogitAdjustedCrossEntropy, Net, Sgd};

/// Images of a batch.
pub(super) const BATCH: usize = 7;

/// Two groups of different sizes.
pub(super) const GROUP: BatchNormGroup = BatchNormGroup::Images(4);

const UPDATE: Sgd = Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 5e-3, nesterov: true };

/// The processor's side, the devices' side, and what differs.
pub(super) struct Comparison<'a> {
    net: &'a Net,
    expected: CpuExecutor,
    found: CudaReplicas,
    velocities: Vec<Vec<f32>>,
    loss: LogitAdjustedCrossEntropy,
    numbers: Numbers,
    bound: f64,
}

impl<'a> Comparison<'a> {
    /// Gives both sides the same parameters.
    pub(super) fn new(net: &'a Net, mut found: CudaReplicas, bound: f64) -> Result<Self, EngineError> {
        let options = CpuOptions { threads: 1, batch_norm: GROUP, ..CpuOptions::new(BATCH) };
        let mut expected = CpuExecutor::new(net, &options)?;
        let mut numbers = Numbers::new();
        for (i, values) in numbers.parameters(net).iter().enumerate() {
            expected.parameter_mut(i).copy_from_slice(values);
            found.set_parameter(i, values)?;
        }
        let velocities = net.parameters().iter().map(|parameter| vec![0.0; parameter.len()]).collect();
        let adjustments = (0..EXPERTS).map(|_| numbers.values(CLASSES)).collect();
        let loss = LogitAdjustedCrossEntropy { adjustments };
        Ok(Self { net, expected, found, velocities, loss, numbers, bound })
    }

    /// Outputs, running statistics and gradients of one pass forward and backward.
    pub(super) fn passes(&mut self) -> Result<(), CheckFailure> {
        let images = self.images();
        self.expected.forward(&images, BATCH, Mode::Train)?;
        self.found.forward(&images, BATCH, Mode::Train)?;
        self.outputs("in training")?;
        self.statistics()?;
        let seeds: Vec<Vec<f32>> = (0..self.net.outputs().len())
            .map(|k| self.numbers.values(self.expected.output(k).len()))
            .collect();
        let given: Vec<Option<&[f32]>> = seeds.iter().map(|seed| Some(seed.as_slice())).collect();
        self.expected.backward(&given)?;
        self.found.backward(&given)?;
        let count = self.net.parameters().len();
        let expected: Vec<Vec<f32>> = (0..count).map(|i| self.expected.gradient(i).to_vec()).collect();
        let found = (0..count).map(|i| self.found.gradient(i)).collect::<Result<Vec<_>, _>>()?;
        self.compare_parameters("the gradient", &expected, &found)
    }

    /// A whole training step: the loss, and by how much every parameter moved.
    pub(super) fn step(&mut self) -> Result<(), CheckFailure> {
        // From where the devices stand, so that differences do not grow from step to step.
        for i in 0..self.net.parameters().len() {
            self.expected.parameter_mut(i).copy_from_slice(&self.found.parameter(i)?);
            self.velocities[i] = self.found.velocity(i)?;
        }
        for i in 0..self.net.buffers().len() {
            self.expected.buffer_mut(i).copy_from_slice(&self.found.buffer(i)?);
        }
        let images = self.images();
        self.expected.forward(&images, BATCH, Mode::Train)?;
        // Every other image is classified correctly, so that there is something to count.
        let first: Vec<u32> = (0..BATCH)
            .map(|row| if row % 2 == 0 { self.prediction(row) } else { self.numbers.label(CLASSES) })
            .collect();
        let second: Vec<u32> = (0..BATCH).map(|_| self.numbers.label(CLASSES)).collect();
        let lambda: Vec<f32> = (0..BATCH).map(|_| 0.5 + 0.5 * self.numbers.value()).collect();
        let targets = SoftTargets { first: &first, second: &second, lambda: &lambda, smoothing: 0.1 };

        let correct: f32 = (0..BATCH)
            .map(|row| {
                let prediction = self.prediction(row);
                let share = |class: &[u32], share| if class[row] == prediction { share } else { 0.0 };
                share(&first, lambda[row]) + share(&second, 1.0 - lambda[row])
            })
            .sum();
        let loss = self.expected_update(&targets)?;
        let before = self.parameters()?;
        self.found.set_loss(&self.loss, 0..EXPERTS)?;
        let frozen = vec![false; before.len()];
        let outcome = self.found.train_step(&StepImages::Normalised(&images), &targets, &UPDATE, &frozen)?;
        self.compare("the loss", &[loss as f32], &[outcome.loss as f32], 1e-6)?;
        // Rounding may change a prediction; not most of them.
        compare(0.5, "the number of correct predictions", &[correct], &[outcome.correct as f32], 1e-6)?;
        self.statistics()?;
        let moved = |after: &[f32], before: &[f32]| -> Vec<f32> {
            after.iter().zip(before).map(|(after, before)| after - before).collect()
        };
        let expected: Vec<Vec<f32>> =
            before.iter().enumerate().map(|(i, before)| moved(self.expected.parameter(i), before)).collect();
        let after = self.parameters()?;
        let found: Vec<Vec<f32>> =
            after.iter().zip(&before).map(|(after, before)| moved(after, before)).collect();
        self.compare_parameters("the update", &expected, &found)
    }

    /// Outputs from running statistics.
    pub(super) fn evaluation(&mut self) -> Result<(), CheckFailure> {
        for (i, values) in self.parameters()?.iter().enumerate() {
            self.expected.parameter_mut(i).copy_from_slice(values);
        }
        for i in 0..self.net.buffers().len() {
            self.expected.buffer_mut(i).copy_from_slice(&self.found.buffer(i)?);
        }
        let images = self.images();
        self.expected.forward(&images, BATCH, Mode::Evaluate)?;
        self.found.forward(&images, BATCH, Mode::Evaluate)?;
        self.outputs("in evaluation")
    }

    /// The class of the largest mean logit on the processor.
    fn prediction(&self, row: usize) -> u32 {
        let sum =
            |class| -> f32 { (0..EXPERTS).map(|k| self.expected.output(k)[row * CLASSES + class]).sum() };
        let best = (0..CLASSES).max_by(|&a, &b| sum(a).total_cmp(&sum(b)));
        best.unwrap_or(0) as u32
    }

    /// The step on the processor, after its forward pass, and its loss.
    fn expected_update(&mut self, targets: &SoftTargets<'_>) -> Result<f64, EngineError> {
        let logits: Vec<&[f32]> = (0..EXPERTS).map(|k| self.expected.output(k)).collect();
        let mut gradients = vec![Vec::new(); EXPERTS];
        let pool = self.expected.pool();
        let losses =
            logit_adjusted_cross_entropy(pool, &logits, CLASSES, &self.loss, targets, &mut gradients)?;
        let seeds: Vec<Option<&[f32]>> =
            (0..self.net.outputs().len()).map(|k| gradients.get(k).map(Vec::as_slice)).collect();
        self.expected.backward(&seeds)?;
        for (i, velocity) in self.velocities.iter_mut().enumerate() {
            let (parameter, gradient) = self.expected.parameter_and_gradient(i);
            oracle::sgd(&UPDATE, parameter, gradient, velocity);
        }
        Ok(losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / EXPERTS as f64)
    }

    fn images(&mut self) -> Vec<f32> {
        self.numbers.values(BATCH * self.net.input_shape().len())
    }

    fn parameters(&self) -> Result<Vec<Vec<f32>>, EngineError> {
        (0..self.net.parameters().len()).map(|i| self.found.parameter(i)).collect()
    }

    fn outputs(&self, when: &str) -> Result<(), CheckFailure> {
        for (k, output) in self.net.outputs().iter().enumerate() {
            let what = format!("the output {} {when}", output.name);
            self.compare(&what, self.expected.output(k), self.found.output(k), 1e-3)?;
        }
        Ok(())
    }

    fn statistics(&self) -> Result<(), CheckFailure> {
        for (i, buffer) in self.net.buffers().iter().enumerate() {
            let what = format!("the running statistic {}", buffer.name);
            self.compare(&what, self.expected.buffer(i), &self.found.buffer(i)?, 1e-3)?;
        }
        Ok(())
    }

    /// Compares a tensor for each parameter; small ones count relative to a twentieth of the largest.
    fn compare_parameters(
        &self,
        what: &str,
        expected: &[Vec<f32>],
        found: &[Vec<f32>],
    ) -> Result<(), CheckFailure> {
        let largest = expected.iter().map(|values| size(values)).fold(0.0, f64::max);
        for ((parameter, expected), found) in self.net.parameters().iter().zip(expected).zip(found) {
            let what = format!("{what} of {}", parameter.name);
            self.compare(&what, expected, found, 0.05 * largest)?;
        }
        Ok(())
    }

    /// Holds a difference against what rounding explains.
    fn compare(&self, what: &str, expected: &[f32], found: &[f32], floor: f64) -> Result<(), CheckFailure> {
        compare(self.bound, what, expected, found, floor)
    }
}

/// Holds the size of the difference, relative to what was expected or `floor`, against a bound.
fn compare(bound: f64, what: &str, expected: &[f32], found: &[f32], floor: f64) -> Result<(), CheckFailure> {
    let differences: Vec<f32> =
        expected.iter().zip(found).map(|(expected, found)| expected - found).collect();
    let relative = size(&differences) / size(expected).max(floor);
    // What is not a number is not within the bound.
    if relative <= bound {
        return Ok(());
    }
    Err(CheckFailure::Disagreement { what: what.to_owned(), found: relative, bound })
}

/// Root mean square.
fn size(values: &[f32]) -> f64 {
    let squares: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
    (squares / values.len() as f64).sqrt()
}
