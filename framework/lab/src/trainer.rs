//! The training of one cell, step by step, with everything that a checkpoint must hold.

use balpoe_core::components::{
    Batch, Data, MixingStreams, Optimizer, Position, Split, Trainees, TrainingLoss, Update,
};
use balpoe_core::experiment::{Arm, BatchNormGroup, Lowering};
use balpoe_core::random::{Purpose, Stream};
use balpoe_engine::{self as engine, CpuExecutor, CpuOptions, Mode, OperationTime, SoftTargets};
use balpoe_net::LogitAdjustedCrossEntropy;

use crate::bridge::{self, BridgeStep, EngineExpert, LogitSource};
use crate::checkpoint::Progress;
use crate::error::LabError;
use crate::initialise::initial_values;
use crate::network::{Heads, Network};
use crate::tensors::{NamedTensor, Tensors};
use crate::weights::{WeightFile, Weights};

/// A network in training, one step at a time.
///
/// [`run`](crate::run()) is what trains the cells of an experiment; this is for those who bring their own batches.
pub struct Trainer<'a> {
    arm: &'a Arm,
    network: &'a Network,
    executor: CpuExecutor,
    loss: Box<dyn TrainingLoss>,
    /// The engine's form of the loss, where both head and loss have one.
    lowered: Option<LogitAdjustedCrossEntropy>,
    /// The optimizer's state: of each parameter, each slot.
    slots: Vec<Vec<Vec<f32>>>,
    seed: u64,
    pub(crate) progress: Progress,
}

/// What one step did.
#[derive(Clone, Copy, Debug)]
pub struct StepResult {
    /// Mean over experts and batch, before the update.
    pub loss: f64,
    /// The rate of the update.
    pub learning_rate: f64,
}

impl<'a> Trainer<'a> {
    /// A network with the initial parameters of this seed (and the pretrained ones of its backbone, if it has a file of them), for the classes of `data` and the class counts of `train`.
    ///
    /// # Errors
    /// If the objective does not fit the network, or the engine refuses.
    pub fn new(
        arm: &'a Arm,
        data: &Data,
        train: &Split,
        network: &'a Network,
        seed: u64,
        threads: usize,
    ) -> Result<Self, LabError> {
        let options = CpuOptions {
            threads,
            max_batch: arm.train.batch_size,
            batch_norm: match arm.train.batch_norm_group {
                BatchNormGroup::All => engine::BatchNormGroup::All,
                BatchNormGroup::Images(n) => engine::BatchNormGroup::Images(n),
            },
            winograd: arm.train.winograd,
            instruction_set: None,
        };
        let mut executor = CpuExecutor::new(&network.net, &options)?;
        for (place, parameter) in network.net.parameters().iter().enumerate() {
            executor.parameter_mut(place).copy_from_slice(&initial_values(parameter, place, seed));
        }
        if let Some(pretrained) = &network.pretrained {
            pretrained.load_into(&mut executor);
        }
        let class_counts = train.class_counts(data.classes.len());
        let trainees = Trainees { experts: network.experts, class_counts: &class_counts };
        let loss =
            arm.objective.component.prepare(trainees).map_err(|error| arm.blame("objective", error))?;
        let in_engine = matches!(network.heads, Heads::Lowered) && arm.train.lowering == Lowering::Auto;
        let lowered = if in_engine { loss.lower() } else { None };
        let slots = arm.optimizer.component.slots();
        let slots = network.net.parameters().iter().map(|p| vec![vec![0.0; p.len()]; slots]).collect();
        Ok(Self { arm, network, executor, loss, lowered, slots, seed, progress: Progress::default() })
    }

    /// Takes all parameters and running statistics from a file: ours, or the state of the reference's `PyTorch` model.
    ///
    /// # Errors
    /// If the tensors are not those of the network; one error names all that are missing, unexpected or of another shape.
    pub fn load(&mut self, file: &WeightFile) -> Result<(), LabError> {
        Weights::whole(&self.network.net, file)?.load_into(&mut self.executor);
        Ok(())
    }

    /// Whether a plugin's mathematics runs in dfdx in every step.
    pub(crate) fn uses_dfdx(&self) -> bool {
        self.lowered.is_none()
    }

    /// Mixes a batch, and trains on it.
    ///
    /// # Errors
    /// If the loss is not finite (no parameter is updated then), or the engine or a plugin fails.
    pub fn step(&mut self, mut batch: Batch, position: Position) -> Result<StepResult, LabError> {
        for (place, mixing) in self.arm.mixings.iter().enumerate() {
            let streams = MixingStreams {
                seed: self.seed,
                epoch: position.epoch,
                batch: position.batch,
                position: place,
            };
            mixing.component.mix(&mut batch, &streams);
        }
        let images = batch.len();
        self.executor.forward(&batch.images, images, Mode::Train)?;
        let (loss, correct) = match self.lowered.clone() {
            Some(lowered) => self.engine_loss(&lowered, &batch)?,
            None => self.plugin_loss(&batch, position)?,
        };
        if !loss.is_finite() {
            return Err(LabError::Diverged { epoch: position.epoch + 1, batch: position.batch + 1, loss });
        }
        let learning_rate = self.learning_rate(position);
        self.update(&*self.arm.optimizer.component, learning_rate);

        let progress = &mut self.progress;
        progress.batch += 1;
        progress.step += 1;
        progress.loss_sum += loss;
        progress.correct_sum += correct;
        progress.images += images;
        Ok(StepResult { loss, learning_rate })
    }

    /// The learning rate of the step at this position.
    pub(crate) fn learning_rate(&self, position: Position) -> f64 {
        self.arm.optimizer.component.learning_rate() * self.arm.schedule.component.factor(position)
    }

    fn update(&mut self, optimizer: &dyn Optimizer, learning_rate: f64) {
        let update = Update { learning_rate, step: self.progress.step };
        for (place, slots) in self.slots.iter_mut().enumerate() {
            let (parameter, gradient) = self.executor.parameter_and_gradient(place);
            optimizer.update(update, parameter, gradient, slots);
        }
    }

    /// Loss and backward pass in the engine. Gives the loss and the sum of mixed accuracies.
    fn engine_loss(
        &mut self,
        loss: &LogitAdjustedCrossEntropy,
        batch: &Batch,
    ) -> Result<(f64, f64), LabError> {
        let (experts, classes) = (self.network.experts, self.network.classes);
        let logits: Vec<&[f32]> = (0..experts).map(|e| self.executor.output(experts + e)).collect();
        let correct = mixed_correct(&logits, classes, batch);
        let mut gradients = vec![vec![0.0; batch.len() * classes]; experts];
        let targets = SoftTargets {
            first: &batch.targets.first,
            second: &batch.targets.second,
            lambda: &batch.targets.lambda,
            smoothing: batch.targets.smoothing,
        };
        let losses = engine::logit_adjusted_cross_entropy(
            self.executor.pool(),
            &logits,
            classes,
            loss,
            &targets,
            &mut gradients,
        )?;
        let mut seeds: Vec<Option<&[f32]>> = vec![None; experts];
        seeds.extend(gradients.iter().map(|gradient| Some(gradient.as_slice())));
        self.executor.backward(&seeds)?;
        let mean = losses.iter().map(|&l| f64::from(l)).sum::<f64>() / experts as f64;
        Ok((mean, correct))
    }

    /// The same through dfdx.
    fn plugin_loss(&mut self, batch: &Batch, position: Position) -> Result<(f64, f64), LabError> {
        let (experts, classes) = (self.network.experts, self.network.classes);
        let mut outputs = Vec::new();
        for e in 0..experts {
            let source = match &self.network.heads {
                Heads::Lowered => LogitSource::Logits(self.executor.output(experts + e).to_vec()),
                Heads::Plugin(places) => LogitSource::Parameters(head_parameters(&self.executor, &places[e])),
            };
            outputs.push(EngineExpert { features: self.executor.output(e).to_vec(), source });
        }
        let mut stream =
            Stream::new(self.seed, Purpose::Plugin, position.epoch as u64, position.batch as u64);
        let step = BridgeStep {
            targets: &batch.targets,
            classes,
            epoch: position.epoch,
            epochs: position.epochs,
            device_seed: stream.word(),
        };
        let result = bridge::loss_through_dfdx(outputs, &*self.arm.head.component, &*self.loss, &step)?;
        let values: Vec<&[f32]> =
            result.experts.iter().map(|expert| expert.logit_values.as_slice()).collect();
        let correct = mixed_correct(&values, classes, batch);
        let mut seeds: Vec<Option<&[f32]>> =
            result.experts.iter().map(|e| Some(e.features.as_slice())).collect();
        seeds.extend(result.experts.iter().filter_map(|e| e.logits.as_deref().map(Some)));
        self.executor.backward(&seeds)?;
        if let Heads::Plugin(places) = &self.network.heads {
            for (places, expert) in places.iter().zip(&result.experts) {
                for (&(place, _), gradient) in places.iter().zip(&expert.parameters) {
                    self.executor.gradient_mut(place).copy_from_slice(gradient);
                }
            }
        }
        Ok((result.loss, correct))
    }

    /// Whether every operation is timed from now on.
    pub(crate) fn set_timing(&mut self, on: bool) {
        self.executor.set_timing(on);
    }

    /// The times of operations since timing was switched on.
    pub(crate) fn timings(&self) -> Vec<OperationTime> {
        self.executor.timings()
    }

    /// The largest batch that the engine has room for.
    pub(crate) fn max_batch(&self) -> usize {
        self.arm.train.batch_size
    }

    /// The engine, for a look at parameters, gradients and statistics.
    pub fn executor(&self) -> &CpuExecutor {
        &self.executor
    }

    /// The engine, to start from other parameters.
    pub fn executor_mut(&mut self) -> &mut CpuExecutor {
        &mut self.executor
    }

    /// Every expert's logits `[batch, classes]` of normalised images `[batch, height, width, 3]`, in evaluation mode.
    ///
    /// # Errors
    /// If the batch is empty or larger than the training batch, or a plugin fails.
    pub fn predict(&mut self, images: &[f32], batch: usize) -> Result<Vec<Vec<f32>>, LabError> {
        self.executor.forward(images, batch, Mode::Evaluate)?;
        let experts = self.network.experts;
        let logits = |e: usize| match &self.network.heads {
            Heads::Lowered => Ok(self.executor.output(experts + e).to_vec()),
            Heads::Plugin(places) => {
                let parameters = head_parameters(&self.executor, &places[e]);
                let features = self.executor.output(e).to_vec();
                bridge::logits_through_dfdx(&*self.arm.head.component, &parameters, features, batch)
            }
        };
        (0..experts).map(logits).collect()
    }

    /// Parameters and batch-norm buffers, by name.
    pub(crate) fn weights(&self) -> Tensors {
        let net = &self.network.net;
        let parameters = net.parameters().iter().enumerate().map(|(place, parameter)| {
            let values = self.executor.parameter(place).to_vec();
            (parameter.name.clone(), NamedTensor { shape: parameter.shape.clone(), values })
        });
        let buffers = net.buffers().iter().enumerate().map(|(place, buffer)| {
            (
                buffer.name.clone(),
                NamedTensor { shape: vec![buffer.len], values: self.executor.buffer(place).to_vec() },
            )
        });
        parameters.chain(buffers).collect()
    }

    /// Everything that a checkpoint holds besides the progress.
    pub(crate) fn state(&self) -> Tensors {
        let mut state = self.weights();
        for (parameter, slots) in self.network.net.parameters().iter().zip(&self.slots) {
            for (slot, values) in slots.iter().enumerate() {
                let tensor = NamedTensor { shape: parameter.shape.clone(), values: values.clone() };
                state.insert(slot_name(slot, &parameter.name), tensor);
            }
        }
        state
    }

    /// Goes back to a saved state.
    ///
    /// # Errors
    /// If a tensor is missing or has another size; `Err` says which.
    pub(crate) fn restore(&mut self, progress: Progress, mut state: Tensors) -> Result<(), String> {
        let mut take = |name: &str, len: usize| {
            let tensor = state.remove(name).ok_or_else(|| format!("has no tensor `{name}`"))?;
            if tensor.values.len() == len {
                Ok(tensor.values)
            } else {
                Err(format!("tensor `{name}` has {} values, expected {len}", tensor.values.len()))
            }
        };
        for (place, parameter) in self.network.net.parameters().iter().enumerate() {
            self.executor.parameter_mut(place).copy_from_slice(&take(&parameter.name, parameter.len())?);
            for (slot, values) in self.slots[place].iter_mut().enumerate() {
                *values = take(&slot_name(slot, &parameter.name), parameter.len())?;
            }
        }
        for (place, buffer) in self.network.net.buffers().iter().enumerate() {
            self.executor.buffer_mut(place).copy_from_slice(&take(&buffer.name, buffer.len)?);
        }
        self.progress = progress;
        Ok(())
    }
}

fn slot_name(slot: usize, parameter: &str) -> String {
    format!("optimizer.{slot}.{parameter}")
}

fn head_parameters(
    executor: &CpuExecutor,
    places: &[(usize, (usize, usize))],
) -> Vec<(Vec<f32>, (usize, usize))> {
    places.iter().map(|&(place, shape)| (executor.parameter(place).to_vec(), shape)).collect()
}

/// Sum over the batch of `lambda [prediction = first] + (1 - lambda) [prediction = second]`, where the prediction is that of
/// the mean logits.
fn mixed_correct(logits: &[&[f32]], classes: usize, batch: &Batch) -> f64 {
    let mut correct = 0.0;
    for row in 0..batch.len() {
        let mean = |c: usize| logits.iter().map(|expert| expert[row * classes + c]).sum::<f32>();
        let mut best = (0, f32::NEG_INFINITY);
        for c in 0..classes {
            let value = mean(c);
            if value > best.1 {
                best = (c, value);
            }
        }
        let lambda = f64::from(batch.targets.lambda[row]);
        let predicted = best.0 as u32;
        correct += lambda * f64::from(u8::from(predicted == batch.targets.first[row]));
        correct += (1.0 - lambda) * f64::from(u8::from(predicted == batch.targets.second[row]));
    }
    correct
}
