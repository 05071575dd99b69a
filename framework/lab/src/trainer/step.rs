//! One step: batches are mixed, and trained on by whatever has the parts of the step.

use balpoe_core::components::{Batch, MixingStreams, Position, Targets, Update};
use balpoe_core::random::{Purpose, Stream};
use balpoe_data::{BatchImages, LoadedBatch};
use balpoe_engine::{self as engine, Mode, SoftTargets, StepImages, StepOutcome};
use balpoe_net::{Blend, LogitAdjustedCrossEntropy};

use super::{Trainer, head_parameters};
use crate::bridge::{self, BridgeStep, EngineExpert, LogitSource};
use crate::error::LabError;
use crate::network::Heads;

/// What one step did.
#[derive(Clone, Copy, Debug)]
pub struct StepResult {
    /// Where the step was.
    pub position: Position,
    /// Mean over experts and batch, before the update.
    pub loss: f64,
    /// The rate of the update.
    pub learning_rate: f64,
}

impl Trainer<'_> {
    /// Mixes a batch, and trains on it.
    ///
    /// # Errors
    /// If the loss is not finite (no parameter is updated then), or the engine or a plugin fails.
    pub fn step(&mut self, batch: &mut Batch, position: Position) -> Result<StepResult, LabError> {
        let mut result = self.advance_on(batch, position)?;
        while let Some(later) = self.settle()? {
            result = Some(later);
        }
        Ok(result.unwrap_or_else(|| unreachable!("what was begun is settled")))
    }

    /// The same without waiting: gives the result of the last step whose result is known, which on a GPU is the one before.
    /// Whatever is read from the trainer next waits by itself, but for the progress and the losses, which [`settle`](Self::settle)
    /// completes.
    pub(crate) fn advance_on(
        &mut self,
        batch: &mut Batch,
        position: Position,
    ) -> Result<Option<StepResult>, LabError> {
        for (place, mixing) in self.recipe.mixings.iter().enumerate() {
            mixing.component.mix(batch, &self.mixing_streams(place, position));
        }
        let images = StepImages::Normalised(&batch.images);
        if self.begin_on_device(&images, &batch.targets, position)? {
            return self.settle_all_but_last();
        }
        let learning_rate = self.learning_rate(position);
        let outcome = self.host_step(batch, position, self.update(learning_rate))?;
        let result = self.result(outcome, position, learning_rate)?;
        self.count_step(batch.len());
        Ok(Some(result))
    }

    /// The same for a batch that was loaded in the form that [`image_form`](Self::image_form) asks for. Its images are left as
    /// memory to be used again.
    pub(crate) fn advance(
        &mut self,
        loaded: &mut LoadedBatch,
        position: Position,
    ) -> Result<Option<StepResult>, LabError> {
        let mut targets = Targets::hard(std::mem::take(&mut loaded.labels));
        match &mut loaded.images {
            BatchImages::Normalised(values) => {
                let (height, width) = self.size;
                let images = std::mem::take(values);
                let mut batch = Batch { images, shape: (height, width, 3), targets };
                let result = self.advance_on(&mut batch, position);
                *values = batch.images;
                result
            }
            BatchImages::Bytes(pixels) => {
                let blend = self.blend(&mut targets, position);
                let images = StepImages::Bytes { pixels, blend: blend.as_ref() };
                self.advance_on_device(&images, &targets, position)
            }
            BatchImages::Maps(maps) => {
                let blend = self.blend(&mut targets, position);
                let positions = &loaded.positions;
                let images = StepImages::Kept { positions, maps, blend: blend.as_ref() };
                self.advance_on_device(&images, &targets, position)
            }
        }
    }

    fn advance_on_device(
        &mut self,
        images: &StepImages<'_>,
        targets: &Targets,
        position: Position,
    ) -> Result<Option<StepResult>, LabError> {
        if self.begin_on_device(images, targets, position)? {
            return self.settle_all_but_last();
        }
        unreachable!("only a step on the device asks for images that are not normalised")
    }

    /// Mixes targets, and says what is to be blended.
    fn blend(&self, targets: &mut Targets, position: Position) -> Option<Blend> {
        let mut blend = None;
        for (place, mixing) in self.recipe.mixings.iter().enumerate() {
            let streams = self.mixing_streams(place, position);
            let blending = mixing.component.blending();
            // An experiment has at most one mixing that pairs images.
            blend = blending.and_then(|blending| blending.blend(targets, self.size, &streams)).or(blend);
        }
        blend
    }

    fn mixing_streams(&self, place: usize, position: Position) -> MixingStreams {
        let Position { epoch, batch, .. } = position;
        MixingStreams { seed: self.seed, epoch, batch, position: place }
    }

    /// The next update.
    pub(super) fn update(&self, learning_rate: f64) -> Update {
        Update { learning_rate, step: self.progress.step - self.progress.optimizer_from }
    }

    /// A step on so many images was taken or begun.
    pub(super) fn count_step(&mut self, images: usize) {
        self.progress.batch += 1;
        self.progress.step += 1;
        self.progress.images += images;
    }

    /// What a step came to.
    pub(super) fn result(
        &mut self,
        StepOutcome { loss, correct }: StepOutcome,
        position: Position,
        learning_rate: f64,
    ) -> Result<StepResult, LabError> {
        if !loss.is_finite() {
            return Err(LabError::Diverged { epoch: position.epoch + 1, batch: position.batch + 1, loss });
        }
        self.progress.loss_sum += loss;
        self.progress.correct_sum += correct;
        Ok(StepResult { position, loss, learning_rate })
    }

    /// A step pass by pass, with whatever the engine lacks in between. A loss that is not finite updates nothing.
    fn host_step(
        &mut self,
        batch: &Batch,
        position: Position,
        update: Update,
    ) -> Result<StepOutcome, LabError> {
        // A frozen backbone keeps its batch-norm statistics, and normalises by them.
        let mode = if self.backbone_frozen() { Mode::Evaluate } else { Mode::Train };
        self.executor.forward(&batch.images, batch.len(), mode)?;
        let (loss, correct) = match self.lowered.clone() {
            Some(lowered) => self.engine_loss(&lowered, batch)?,
            None => self.plugin_loss(batch, position)?,
        };
        if loss.is_finite() {
            self.executor.update(&*self.recipe.optimizer.component, update, &self.frozen)?;
        }
        Ok(StepOutcome { loss, correct })
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
        let losses = engine::logit_adjusted_cross_entropy(
            self.executor.pool(),
            &logits,
            classes,
            loss,
            &soft_targets(&batch.targets),
            &mut gradients,
        )?;
        let mut seeds: Vec<Option<&[f32]>> = vec![None; experts];
        seeds.extend(gradients.iter().map(|gradient| Some(gradient.as_slice())));
        self.executor.backward(&seeds)?;
        let mean = losses.iter().map(|&l| f64::from(l)).sum::<f64>() / experts as f64;
        Ok((mean, correct))
    }

    /// The same through dfdx. Under a frozen backbone heads run there as well, and the engine has no backward pass to run.
    fn plugin_loss(&mut self, batch: &Batch, position: Position) -> Result<(f64, f64), LabError> {
        let (experts, classes) = (self.network.experts, self.network.classes);
        let backbone_frozen = self.backbone_frozen();
        let heads_in_dfdx = backbone_frozen || matches!(self.network.heads, Heads::Plugin);
        let mut outputs = Vec::new();
        for e in 0..experts {
            let source = if heads_in_dfdx {
                let places = &self.network.head_parameters[e];
                LogitSource::Parameters(head_parameters(&self.executor, places)?)
            } else {
                LogitSource::Logits(self.executor.output(experts + e).to_vec())
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
        if !backbone_frozen {
            let mut seeds: Vec<Option<&[f32]>> =
                result.experts.iter().map(|e| Some(e.features.as_slice())).collect();
            seeds.extend(result.experts.iter().filter_map(|e| e.logits.as_deref().map(Some)));
            self.executor.backward(&seeds)?;
        }
        if heads_in_dfdx {
            for (places, expert) in self.network.head_parameters.iter().zip(&result.experts) {
                for (&(place, _), gradient) in places.iter().zip(&expert.parameters) {
                    self.executor.set_gradient(place, gradient)?;
                }
            }
        }
        Ok((result.loss, correct))
    }
}

/// Targets as the engine takes them.
pub(super) fn soft_targets(targets: &Targets) -> SoftTargets<'_> {
    let Targets { first, second, lambda, smoothing } = targets;
    SoftTargets { first, second, lambda, smoothing: *smoothing }
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
