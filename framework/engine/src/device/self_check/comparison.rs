//! One network on the processor and on devices, step by step.

use super::bounds::{Bounds, Kind, size};
use super::images::{KeptImages, MAPS};
use super::network::{CLASSES, EXPERTS};
use super::numbers::{Numbers, to_bf16};
use crate::cuda::{CudaReplicas, Precision};
use crate::{
    BatchNormGroup, CheckFailure, CpuExecutor, CpuOptions, EngineError, Mode, SoftTargets,
    logit_adjusted_cross_entropy, oracle,
};
use balpoe_net::{LogitAdjustedCrossEntropy, Net, Op, Sgd};

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
    precision: Precision,
    /// Where every step begins.
    start: Vec<Vec<f32>>,
    loss: LogitAdjustedCrossEntropy,
    numbers: Numbers,
    kept: KeptImages,
    bounds: Bounds,
}

impl<'a> Comparison<'a> {
    /// Gives both sides the same parameters.
    pub(super) fn new(
        net: &'a Net,
        mut found: CudaReplicas,
        precision: Precision,
        seed: u64,
    ) -> Result<Self, EngineError> {
        // Winograd's fractions would round what is exact.
        let options = CpuOptions { threads: 1, batch_norm: GROUP, winograd: false, ..CpuOptions::new(BATCH) };
        let mut expected = CpuExecutor::new(net, &options)?;
        let mut numbers = Numbers::new(seed);
        let start = numbers.parameters(net);
        for (i, values) in start.iter().enumerate() {
            expected.parameter_mut(i).copy_from_slice(values);
            found.set_parameter(i, values)?;
        }
        let adjustments = (0..EXPERTS).map(|_| numbers.values(CLASSES)).collect();
        let loss = LogitAdjustedCrossEntropy { adjustments };
        let kept = KeptImages::new(&mut numbers, net.input_shape(), precision);
        found.set_normalisation(&kept.table)?;
        found.keep_images(&kept.bytes, MAPS)?;
        let bounds = Bounds::new(precision);
        Ok(Self { net, expected, found, precision, start, loss, numbers, kept, bounds })
    }

    /// The largest difference, as a share of its bound.
    pub(super) fn largest(&self) -> f64 {
        self.bounds.largest()
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
        self.gradients("the gradient").map(drop)
    }

    /// A whole training step: the loss, the gradients, and by how much every parameter moved.
    pub(super) fn step(&mut self) -> Result<(), CheckFailure> {
        // Velocities and running statistics go on from where the devices stand, so that differences do not grow from step to
        // step. Parameters begin anew, where rounding does least.
        for (i, values) in self.start.iter().enumerate() {
            self.expected.parameter_mut(i).copy_from_slice(values);
            self.found.set_parameter(i, values)?;
        }
        self.follow_statistics()?;
        let mut velocities = self.of_each_parameter(CudaReplicas::velocity)?;
        let seen = self.kept.choose(&mut self.numbers, BATCH);
        self.expected.forward(&seen.images, BATCH, Mode::Train)?;
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
        let loss = self.expected_gradients(&targets)?;
        self.found.set_loss(&self.loss, 0..EXPERTS)?;
        let frozen = vec![false; self.start.len()];
        let outcome = self.found.train_step(&seen.of_kept(), &targets, &UPDATE, &frozen)?;
        self.bounds.compare(Kind::Forward, "the loss", &[loss as f32], &[outcome.loss as f32], 1e-6)?;
        let counted = [outcome.correct as f32];
        self.bounds.compare(Kind::Count, "the number of correct predictions", &[correct], &counted, 1e-6)?;
        self.statistics()?;
        let gradients = self.gradients("the gradient in a step")?;
        let after = self.of_each_parameter(CudaReplicas::parameter)?;
        let mut expected = self.start.clone();
        let each = expected.iter_mut().zip(&gradients).zip(&mut velocities);
        each.for_each(|((parameter, gradient), velocity)| {
            oracle::sgd(&UPDATE, parameter, gradient, velocity);
        });
        let moved = |after: &[Vec<f32>]| -> Vec<Vec<f32>> {
            let difference = |(after, before): (&Vec<f32>, &Vec<f32>)| {
                after.iter().zip(before).map(|(after, before)| after - before).collect()
            };
            after.iter().zip(&self.start).map(difference).collect()
        };
        self.compare_parameters(Kind::Update, "the update", &moved(&expected), &moved(&after))?;
        let found = self.of_each_parameter(CudaReplicas::velocity)?;
        self.compare_parameters(Kind::Update, "the velocity", &velocities, &found)
    }

    /// Outputs from running statistics, and from parameters as the last step has left them.
    pub(super) fn evaluation(&mut self) -> Result<(), CheckFailure> {
        let is_bf16 = self.precision == Precision::Bf16;
        for (i, parameter) in self.net.parameters().iter().enumerate() {
            let mut values = self.found.parameter(i)?;
            // What convolutions read of them.
            if is_bf16 && parameter.shape.len() == 4 {
                values.iter_mut().for_each(|value| *value = to_bf16(*value));
            }
            self.expected.parameter_mut(i).copy_from_slice(&values);
        }
        self.follow_statistics()?;
        let images = self.images();
        self.expected.forward(&images, BATCH, Mode::Evaluate)?;
        self.found.forward(&images, BATCH, Mode::Evaluate)?;
        self.outputs("in evaluation")
    }

    /// Lets the processor go on from the devices' running statistics.
    fn follow_statistics(&mut self) -> Result<(), EngineError> {
        for i in 0..self.net.buffers().len() {
            self.expected.buffer_mut(i).copy_from_slice(&self.found.buffer(i)?);
        }
        Ok(())
    }

    fn images(&mut self) -> Vec<f32> {
        self.numbers.images(BATCH, self.net.input_shape().pixels())
    }

    /// The class of the largest mean logit on the processor.
    fn prediction(&self, row: usize) -> u32 {
        let sum =
            |class| -> f32 { (0..EXPERTS).map(|k| self.expected.output(k)[row * CLASSES + class]).sum() };
        let best = (0..CLASSES).max_by(|&a, &b| sum(a).total_cmp(&sum(b)));
        best.unwrap_or(0) as u32
    }

    /// The gradients of a step on the processor, after its forward pass; gives its loss.
    fn expected_gradients(&mut self, targets: &SoftTargets<'_>) -> Result<f64, EngineError> {
        let logits: Vec<&[f32]> = (0..EXPERTS).map(|k| self.expected.output(k)).collect();
        let mut gradients = vec![Vec::new(); EXPERTS];
        let pool = self.expected.pool();
        let losses =
            logit_adjusted_cross_entropy(pool, &logits, CLASSES, &self.loss, targets, &mut gradients)?;
        let seeds: Vec<Option<&[f32]>> =
            (0..self.net.outputs().len()).map(|k| gradients.get(k).map(Vec::as_slice)).collect();
        self.expected.backward(&seeds)?;
        Ok(losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / EXPERTS as f64)
    }

    fn of_each_parameter(
        &self,
        get: impl Fn(&CudaReplicas, usize) -> Result<Vec<f32>, EngineError>,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        (0..self.start.len()).map(|i| get(&self.found, i)).collect()
    }

    fn outputs(&self, when: &str) -> Result<(), CheckFailure> {
        for (k, output) in self.net.outputs().iter().enumerate() {
            let what = format!("the output {} {when}", output.name);
            self.bounds.compare(Kind::Forward, &what, self.expected.output(k), self.found.output(k), 1e-3)?;
        }
        Ok(())
    }

    fn statistics(&self) -> Result<(), CheckFailure> {
        for node in self.net.nodes() {
            let Op::BatchNorm { mean, variance, .. } = node.op else { continue };
            // Means may be near zero by chance; they are seen beside the values that they are means of.
            let deviation = size(self.expected.buffer(variance.index())).sqrt();
            for (statistic, floor) in [(mean, deviation), (variance, 0.0)] {
                let what = format!("the running statistic {}", self.net.buffers()[statistic.index()].name);
                let expected = self.expected.buffer(statistic.index());
                let found = self.found.buffer(statistic.index())?;
                self.bounds.compare(Kind::Statistics, &what, expected, &found, floor)?;
            }
        }
        Ok(())
    }

    /// Compares the gradients of both sides, and gives the devices'.
    fn gradients(&self, what: &str) -> Result<Vec<Vec<f32>>, CheckFailure> {
        let expected: Vec<Vec<f32>> =
            (0..self.start.len()).map(|i| self.expected.gradient(i).to_vec()).collect();
        let found = self.of_each_parameter(CudaReplicas::gradient)?;
        self.compare_parameters(Kind::Gradient, what, &expected, &found)?;
        Ok(found)
    }

    /// Compares a tensor for each parameter. The gradient of a norm's shift may be nothing but rounding, where a norm that follows
    /// takes shifts away; it counts relative to that of the scale.
    fn compare_parameters(
        &self,
        kind: Kind,
        what: &str,
        expected: &[Vec<f32>],
        found: &[Vec<f32>],
    ) -> Result<(), CheckFailure> {
        let mut floors = vec![0.0; expected.len()];
        for node in self.net.nodes() {
            if let Op::BatchNorm { gamma, beta, .. } = node.op {
                floors[beta.index()] = size(&expected[gamma.index()]);
            }
        }
        for (i, parameter) in self.net.parameters().iter().enumerate() {
            let what = format!("{what} of {}", parameter.name);
            self.bounds.compare(kind, &what, &expected[i], &found[i], floors[i])?;
        }
        Ok(())
    }
}
