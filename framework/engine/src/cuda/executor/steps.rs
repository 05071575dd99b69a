//! Whole training steps: what they need, how they are begun, and what came of them.

use super::build::{Purpose, plan};
use super::images::{ImageForm, StepImages};
use super::outline::LossShape;
use super::replica::{Pass, Replica};
use super::replicas::{CudaReplicas, on_all};
use crate::checks::{check_adjustments, check_len};
use crate::{EngineError, SoftTargets};
use balpoe_net::{LogitAdjustedCrossEntropy, Sgd};
use std::ops::Range;

/// What a training step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutcome {
    /// Mean over experts and batch, before the update. No parameter was changed if it is not finite.
    pub loss: f64,
    /// Sum over the batch of `lambda [prediction = first] + (1 - lambda) [prediction = second]`, where the prediction is that of
    /// the mean logits.
    pub correct: f64,
}

impl CudaReplicas {
    /// Lets [`train_step`](Self::train_step) compute this loss of the outputs `logits`, one for each expert.
    ///
    /// # Errors
    /// If there are no such outputs, they are not logits of the same classes, the adjustments do not fit them, or memory does
    /// not suffice.
    pub fn set_loss(
        &mut self,
        loss: &LogitAdjustedCrossEntropy,
        logits: Range<usize>,
    ) -> Result<(), EngineError> {
        let outputs = self.outputs.len();
        if logits.is_empty() || logits.end > outputs {
            let (option, range) =
                ("the end of the range of logits", "within the outputs, and behind its start");
            return Err(EngineError::Option { option, found: logits.end, range });
        }
        let classes = self.outline.output_len(logits.start);
        for k in logits.clone() {
            let what = || format!("output {}", self.outline.net.outputs()[k].name);
            check_len(
                what,
                self.outline.output_len(k),
                classes,
                "logits of the same classes for each expert",
            )?;
        }
        check_adjustments(loss, logits.len(), classes)?;
        let shape = LossShape { logits, classes };
        // Until all devices have it there is none, so that no step runs on what some of them have.
        let (layout, forget) = match self.plans.step.take() {
            Some((old, layout)) if old == shape => (layout, false),
            // Rooms are the same for images of every form.
            _ => (plan(&self.outline, &Purpose::Step(shape.clone(), ImageForm::Normalised)), true),
        };
        self.replicas.iter_mut().try_for_each(|replica| replica.set_loss(loss, forget))?;
        self.plans.step = Some((shape, layout));
        Ok(())
    }

    /// Lets steps take images as bytes: `table[byte][channel]` is what the network sees of them.
    ///
    /// # Errors
    /// If the network's images have other channels than three, or a device fails.
    pub fn set_normalisation(&mut self, table: &[[f32; 3]; 256]) -> Result<(), EngineError> {
        let channels = self.outline.net.input_shape().channels;
        if channels != 3 {
            let option = "the number of channels of images that come as bytes";
            return Err(EngineError::Option { option, found: channels, range: "3" });
        }
        self.replicas.iter().try_for_each(|replica| replica.set_normalisation(table))?;
        self.is_normalised = true;
        Ok(())
    }

    /// Keeps images on every device, `[images, height, width, 3]`, in place of those that were kept, for steps on
    /// [`StepImages::Kept`] with so many maps of each image.
    ///
    /// # Errors
    /// If these are no whole images of the network's size, or memory does not suffice; no device keeps any then.
    pub fn keep_images(&mut self, pixels: &[u8], maps: usize) -> Result<(), EngineError> {
        let image = self.outline.net.input_shape().len();
        let images = pixels.len() / image;
        check_len(|| "the images to be kept".into(), pixels.len(), images * image, "whole images")?;
        let (outline, plans) = (&self.outline, &self.plans);
        let mut replicas = self.replicas.iter_mut();
        let kept = replicas.try_for_each(|replica| replica.keep_images(outline, plans, pixels, maps));
        if kept.is_err() {
            self.replicas.iter_mut().for_each(Replica::forget_images);
        }
        self.kept = if kept.is_ok() { images } else { 0 };
        kept
    }

    /// A whole step on the devices: forward pass, loss, backward pass, update. `frozen` parameters stay as they are; so do all
    /// if the loss is not finite. Waits for the outcome, and for that of steps that were begun before.
    ///
    /// # Errors
    /// As [`begin_step`](Self::begin_step).
    pub fn train_step(
        &mut self,
        images: &StepImages<'_>,
        targets: &SoftTargets<'_>,
        sgd: &Sgd,
        frozen: &[bool],
    ) -> Result<StepOutcome, EngineError> {
        self.begin_step(images, targets, sgd, frozen)?;
        let mut last = StepOutcome { loss: f64::NAN, correct: f64::NAN };
        while let Some(outcome) = self.finish_step()? {
            last = outcome;
        }
        Ok(last)
    }

    /// Begins a whole step, of as many images as there are targets, and waits for nothing.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); also if there is no loss, no normalisation of images that come as bytes, or images, targets
    /// or `frozen` do not fit.
    pub fn begin_step(
        &mut self,
        images: &StepImages<'_>,
        targets: &SoftTargets<'_>,
        sgd: &Sgd,
        frozen: &[bool],
    ) -> Result<(), EngineError> {
        let batch = targets.first.len();
        images.check(&self.outline, batch, self.kept)?;
        let form = images.form(batch);
        if form != ImageForm::Normalised && !self.is_normalised {
            return Err(EngineError::NoNormalisation);
        }
        let classes = self.plans.step.as_ref().map(|(loss, _)| loss.classes).ok_or(EngineError::NoLoss)?;
        targets.check(batch, classes)?;
        self.check_frozen(frozen)?;
        self.check_groups(batch)?;
        self.trained_batch = None;
        let pass = Pass::Step { batch, frozen: frozen.to_vec(), form };
        let parts = self.outline.training_parts(batch);
        self.prepare(&pass, &parts)?;
        let outline = &self.outline;
        on_all(&mut self.replicas, |replica, rank| {
            replica.bring(outline, &pass, parts[rank], images, (targets, sgd))
        })?;
        // Nobody sums before all have what they need: to take memory may wait for all GPUs that know each other.
        on_all(&mut self.replicas, |replica, _| replica.begin_step(&pass))?;
        self.begun += 1;
        self.statistics_behind = true;
        Ok(())
    }

    /// Waits for the first step whose outcome was not waited for, and gives it; nothing where there is no such step. After a loss
    /// that is not finite, the steps that were begun before it was waited for have not changed any parameter either, and have
    /// this loss as well.
    ///
    /// # Errors
    /// If a device fails.
    pub fn finish_step(&mut self) -> Result<Option<StepOutcome>, EngineError> {
        if self.begun == 0 {
            return Ok(None);
        }
        self.begun -= 1;
        // All wait for their own: a device that fails in the middle would keep the others waiting, and nobody would ask it.
        let outcomes = on_all(&mut self.replicas, |replica, _| replica.outcome())?;
        let [loss, correct] = outcomes[0];
        if !loss.is_finite() && self.begun == 0 {
            self.replicas.iter().try_for_each(Replica::clear_outcome)?;
        }
        Ok(Some(StepOutcome { loss, correct }))
    }
}
