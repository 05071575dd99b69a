//! Steps that a GPU takes as a whole, from the images on: in which form it wants them, and what came of steps that were begun.

use balpoe_core::components::{Position, Split, Targets};
use balpoe_data::ImageForm;
use balpoe_engine::cuda::Fault;
use balpoe_engine::{CudaReplicas, EngineError, StepImages};

use super::Trainer;
use super::step::{StepResult, soft_targets};
use crate::error::LabError;
use crate::executor::Executor;
use crate::slots::is_lowered;

/// A step that a GPU has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    position: Position,
    learning_rate: f64,
}

/// The images that GPUs keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It was not tried.
    Nothing,
    /// Those of the training split.
    Training,
    /// There is not enough memory, or they are of other sizes than the network's.
    Unfit,
}

impl Trainer<'_> {
    /// In which form the images of the training split are to be loaded as long as the recipe stays the same. A GPU that takes whole
    /// steps keeps images that are in memory, moves their pixels, and blends and normalises them, where augmentations and mixings
    /// do no more than that.
    ///
    /// # Errors
    /// If an image cannot be read, or a device fails.
    pub(crate) fn image_form(&mut self, train: &Split) -> Result<ImageForm, LabError> {
        let recipe = self.recipe;
        let blends = recipe.mixings.iter().all(|mixing| mixing.component.blending().is_some());
        let moves = recipe.augmentations.iter().all(|augmentation| augmentation.component.moving().is_some());
        if !self.steps_on_device() || !blends {
            return Ok(ImageForm::Normalised);
        }
        let Executor::Cuda { replicas, .. } = &mut self.executor else { return Ok(ImageForm::Normalised) };
        replicas.set_normalisation(self.normalisation.table())?;
        if !moves || !train.images.are_resident() {
            return Ok(ImageForm::Bytes);
        }
        if self.kept == Kept::Nothing {
            self.kept = keep(replicas, train, recipe.augmentations.len())?;
        }
        Ok(if self.kept == Kept::Training { ImageForm::Maps } else { ImageForm::Bytes })
    }

    /// Whether head, loss and optimizer have their forms on a GPU, and there is one.
    fn steps_on_device(&self) -> bool {
        matches!(&self.executor, Executor::Cuda { slots: None, .. })
            && self.lowered.is_some()
            && is_lowered(&*self.recipe.optimizer.component)
    }

    /// Begins a whole step on the GPU; says whether it could. A loss that is not finite will update nothing.
    pub(super) fn begin_on_device(
        &mut self,
        images: &StepImages<'_>,
        targets: &Targets,
        position: Position,
    ) -> Result<bool, EngineError> {
        if !self.steps_on_device() {
            return Ok(false);
        }
        let learning_rate = self.learning_rate(position);
        let sgd = self.recipe.optimizer.component.lower(self.update(learning_rate));
        let (Executor::Cuda { replicas, .. }, Some(sgd)) = (&mut self.executor, sgd) else {
            return Ok(false);
        };
        replicas.begin_step(images, &soft_targets(targets), &sgd, &self.frozen)?;
        self.begun.push_back(Begun { position, learning_rate });
        self.count_step(targets.len());
        Ok(true)
    }

    /// Waits for all steps but the one that was begun last, so that the GPU always has one to go on with. Gives the result of the
    /// last that was waited for.
    pub(super) fn settle_all_but_last(&mut self) -> Result<Option<StepResult>, LabError> {
        let mut last = None;
        while self.begun.len() > 1 {
            last = self.settle()?;
        }
        Ok(last)
    }

    /// Waits for the first step whose result is not known, and gives it; nothing where there is no such step. The progress holds
    /// the losses of all steps when there is none.
    ///
    /// # Errors
    /// If the loss is not finite, or a device failed.
    pub(crate) fn settle(&mut self) -> Result<Option<StepResult>, LabError> {
        let Some(Begun { position, learning_rate }) = self.begun.pop_front() else { return Ok(None) };
        let Executor::Cuda { replicas, .. } = &mut self.executor else { return Ok(None) };
        let Some(outcome) = replicas.finish_step()? else { return Ok(None) };
        self.result(outcome, position, learning_rate).map(Some)
    }
}

/// Lets GPUs keep the images of a split, each of which is changed by so many maps.
fn keep(replicas: &mut CudaReplicas, split: &Split, maps: usize) -> Result<Kept, LabError> {
    let shape = replicas.net().input_shape();
    let mut pixels = Vec::with_capacity(split.len() * shape.len());
    for position in 0..split.len() {
        let image = split.images.read(position)?;
        if (image.height, image.width) != (shape.height, shape.width) {
            // Whoever loads it says what is wrong.
            return Ok(Kept::Unfit);
        }
        pixels.extend(image.pixels);
    }
    match replicas.keep_images(&pixels, maps) {
        Ok(()) => Ok(Kept::Training),
        Err(EngineError::Device(Fault::Memory { .. })) => Ok(Kept::Unfit),
        Err(error) => Err(error.into()),
    }
}
