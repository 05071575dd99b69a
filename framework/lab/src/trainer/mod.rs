//! The training of one cell, step by step, with everything that a checkpoint must hold.

mod on_device;
mod step;

use std::collections::VecDeque;
use std::path::Path;

use balpoe_core::components::{Data, Position, Split, Trainees, TrainingLoss};
use balpoe_core::config::ConfigError;
use balpoe_core::experiment::{Arm, Lowering, Phase, Recipe};
use balpoe_data::Normalisation;
use balpoe_engine::{EngineError, Mode, OperationTime};
use balpoe_net::LogitAdjustedCrossEntropy;

use self::on_device::{Begun, Kept};
pub use self::step::StepResult;
use crate::bridge;
use crate::checkpoint::Progress;
use crate::error::LabError;
use crate::executor::Executor;
use crate::initialise::initial_values;
use crate::network::{HeadPlace, Heads, Network};
use crate::parts::PhaseParts;
use crate::resources::Resources;
use crate::slots::is_lowered;
use crate::tensors::{NamedTensor, Tensors};
use crate::weights::{WeightFile, Weights};

/// A network in training, one step at a time.
///
/// [`run`](crate::run()) is what trains the cells of an experiment; this is for those who bring their own batches.
pub struct Trainer<'a> {
    arm: &'a Arm,
    network: &'a Network,
    /// Training images of each class, `[classes]`.
    class_counts: Vec<usize>,
    executor: Executor,
    /// What is in force now.
    recipe: &'a Recipe,
    /// What each phase does to the parameters.
    parts: Vec<PhaseParts>,
    /// Whether each parameter is left as it is now.
    frozen: Vec<bool>,
    loss: Box<dyn TrainingLoss>,
    /// The engine's form of the loss, where both head and loss have one.
    lowered: Option<LogitAdjustedCrossEntropy>,
    seed: u64,
    /// Height and width of the images.
    size: (usize, usize),
    normalisation: Normalisation,
    /// Images that GPUs keep.
    kept: Kept,
    /// Steps that a GPU has begun, and whose results are not known.
    begun: VecDeque<Begun>,
    pub(crate) progress: Progress,
}

impl<'a> Trainer<'a> {
    /// A network with the initial parameters of this seed (and the pretrained ones of its backbone, if it has a file of them), for
    /// the classes of `data` and the class counts of `train`. Results depend on the resources by rounding, and on threads not at all.
    ///
    /// # Errors
    /// If the objective does not fit the network, a device cannot be had, or the engine refuses.
    pub fn new(
        arm: &'a Arm,
        data: &Data,
        train: &Split,
        network: &'a Network,
        seed: u64,
        resources: Resources<'_>,
    ) -> Result<Self, LabError> {
        let mut executor = Executor::new(&network.net, &arm.train, resources)?;
        for (place, parameter) in network.net.parameters().iter().enumerate() {
            executor.set_parameter(place, &initial_values(parameter, place, seed, 0))?;
        }
        if let Some(pretrained) = &network.pretrained {
            pretrained.load_into(&mut executor)?;
        }
        let class_counts = train.class_counts(data.classes.len());
        let parts =
            arm.phases.iter().map(|phase| PhaseParts::of(phase, network)).collect::<Result<_, _>>()?;
        let recipe = &arm.recipe;
        executor.begin_optimizer(&*recipe.optimizer.component)?;
        let loss = prepare(recipe, network, &class_counts).map_err(|error| arm.blame("objective", error))?;
        let mut trainer = Self {
            arm,
            network,
            class_counts,
            executor,
            recipe,
            parts,
            frozen: vec![false; network.net.parameters().len()],
            loss,
            lowered: None,
            seed,
            size: data.size,
            normalisation: Normalisation::new(data.mean, data.deviation),
            kept: Kept::Nothing,
            begun: VecDeque::new(),
            progress: Progress::default(),
        };
        trainer.lower()?;
        Ok(trainer)
    }

    /// Takes the engine's form of the loss, where it has one for head and loss and the engine runs the head.
    fn lower(&mut self) -> Result<(), LabError> {
        let in_engine = matches!(self.network.heads, Heads::Lowered)
            && self.arm.train.lowering == Lowering::Auto
            && !self.backbone_frozen();
        self.lowered = if in_engine { self.loss.lower() } else { None };
        if let (Executor::Cuda { replicas, .. }, Some(loss)) = (&mut self.executor, &self.lowered) {
            let experts = self.network.experts;
            replicas.set_loss(loss, experts..2 * experts)?;
        }
        Ok(())
    }

    /// Begins the phases that are due when so many epochs are done, and gives the last of them.
    ///
    /// # Errors
    /// If an objective does not fit the network.
    pub fn begin_phases(&mut self, epochs_done: usize) -> Result<Option<&'a Phase>, LabError> {
        let mut begun = None;
        while let Some(phase) = self.arm.phases.get(self.progress.phase).filter(|p| p.after <= epochs_done) {
            let before = self.recipe;
            self.progress.phase += 1;
            self.follow()?;
            let kept = |recipe: &Recipe| {
                let optimizer = &recipe.optimizer;
                (optimizer.name, optimizer.component.slots(), is_lowered(&*optimizer.component))
            };
            if kept(self.recipe) != kept(before) {
                self.executor.begin_optimizer(&*self.recipe.optimizer.component)?;
                self.progress.optimizer_from = self.progress.step;
            }
            self.change_parameters(phase)?;
            begun = Some(phase);
        }
        Ok(begun)
    }

    /// Takes over the recipe of the phase that training is in.
    fn follow(&mut self) -> Result<(), LabError> {
        let Some(last) = self.progress.phase.checked_sub(1) else { return Ok(()) };
        let phase = &self.arm.phases[last];
        self.recipe = &phase.recipe;
        self.frozen.clone_from(&self.parts[last].frozen);
        self.loss = prepare(self.recipe, self.network, &self.class_counts)
            .map_err(|error| phase.blame("objective", error))?;
        self.lower()
    }

    /// Starts a phase's parts anew. What the optimizer remembers of them, and of frozen ones, is past.
    fn change_parameters(&mut self, phase: &Phase) -> Result<(), EngineError> {
        let parts = &self.parts[self.progress.phase - 1];
        for (place, parameter) in self.network.net.parameters().iter().enumerate() {
            if parts.fresh[place] {
                let values = initial_values(parameter, place, self.seed, phase.after);
                self.executor.set_parameter(place, &values)?;
            }
            if parts.fresh[place] || parts.frozen[place] {
                for slot in 0..self.recipe.optimizer.component.slots() {
                    self.executor.set_slot(place, slot, &vec![0.0; parameter.len()])?;
                }
            }
        }
        Ok(())
    }

    /// What the phase that training is in does to the parameters.
    fn parts_now(&self) -> Option<&PhaseParts> {
        self.progress.phase.checked_sub(1).map(|last| &self.parts[last])
    }

    fn backbone_frozen(&self) -> bool {
        self.parts_now().is_some_and(|parts| parts.backbone_frozen)
    }

    /// How the network is trained now.
    pub(crate) fn recipe(&self) -> &'a Recipe {
        self.recipe
    }

    /// Takes all parameters and running statistics from a file: ours, or the state of the reference's `PyTorch` model.
    ///
    /// # Errors
    /// If the tensors are not those of the network; one error names all that are missing, unexpected or of another shape.
    pub fn load(&mut self, file: &WeightFile) -> Result<(), LabError> {
        Ok(Weights::whole(&self.network.net, file)?.load_into(&mut self.executor)?)
    }

    /// What keeps a step out of the engine, and what that costs, a line each.
    pub(crate) fn detours(&self) -> Vec<String> {
        let (head, recipe) = (&self.arm.head, self.recipe);
        let on_gpu = matches!(self.executor, Executor::Cuda { .. });
        let mut lines = Vec::new();
        if self.lowered.is_none() && self.arm.train.lowering == Lowering::Auto {
            let cost =
                if on_gpu { "on the processor, which is slow beside a GPU" } else { "which is slower" };
            lines.push(format!(
                "head/{} or objective/{} has no form in the engine and runs through dfdx, {cost}; see the chapter on lowering",
                head.name, recipe.objective.name
            ));
        }
        if on_gpu && !is_lowered(&*recipe.optimizer.component) {
            lines.push(format!(
                "optimizer/{} has no form in the engine and runs on the processor, which is slow beside a GPU; see the chapter on lowering",
                recipe.optimizer.name
            ));
        }
        lines
    }

    /// The learning rate of the step at this position.
    pub(crate) fn learning_rate(&self, position: Position) -> f64 {
        self.recipe.learning_rate(position)
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
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// The engine, to start from other parameters.
    pub fn executor_mut(&mut self) -> &mut Executor {
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
            Heads::Plugin => {
                let parameters = head_parameters(&self.executor, &self.network.head_parameters[e])?;
                let features = self.executor.output(e).to_vec();
                bridge::logits_through_dfdx(&*self.arm.head.component, &parameters, features, batch)
            }
        };
        (0..experts).map(logits).collect()
    }

    /// Parameters and batch-norm buffers, by name.
    pub(crate) fn weights(&self) -> Result<Tensors, EngineError> {
        let net = &self.network.net;
        let mut weights = Tensors::new();
        for (place, parameter) in net.parameters().iter().enumerate() {
            let values = self.executor.parameter(place)?.into_owned();
            weights.insert(parameter.name.clone(), NamedTensor { shape: parameter.shape.clone(), values });
        }
        for (place, buffer) in net.buffers().iter().enumerate() {
            let values = self.executor.buffer(place)?.into_owned();
            weights.insert(buffer.name.clone(), NamedTensor { shape: vec![buffer.len], values });
        }
        Ok(weights)
    }

    /// Everything that a checkpoint holds besides the progress.
    pub(crate) fn state(&self) -> Result<Tensors, EngineError> {
        let mut state = self.weights()?;
        for (place, parameter) in self.network.net.parameters().iter().enumerate() {
            for (slot, values) in self.executor.slots(place)?.into_iter().enumerate() {
                let tensor = NamedTensor { shape: parameter.shape.clone(), values: values.into_owned() };
                state.insert(slot_name(slot, &parameter.name), tensor);
            }
        }
        Ok(state)
    }

    /// Goes back to a saved state.
    ///
    /// # Errors
    /// If a tensor is missing or has another size, which is said of the checkpoint in `place`, or the device fails.
    pub(crate) fn restore(
        &mut self,
        progress: Progress,
        mut state: Tensors,
        place: &Path,
    ) -> Result<(), LabError> {
        self.progress = progress;
        self.follow()?;
        let optimizer = &*self.recipe.optimizer.component;
        self.executor.begin_optimizer(optimizer)?;
        let mut take = |name: &str, len: usize| {
            let missing = || LabError::damaged(place, format!("has no tensor `{name}`"));
            let NamedTensor { values, .. } = state.remove(name).ok_or_else(missing)?;
            if values.len() == len {
                return Ok(values);
            }
            let message = format!("tensor `{name}` has {} values, expected {len}", values.len());
            Err(LabError::damaged(place, message))
        };
        for (i, parameter) in self.network.net.parameters().iter().enumerate() {
            self.executor.set_parameter(i, &take(&parameter.name, parameter.len())?)?;
            for slot in 0..optimizer.slots() {
                let values = take(&slot_name(slot, &parameter.name), parameter.len())?;
                self.executor.set_slot(i, slot, &values)?;
            }
        }
        for (i, buffer) in self.network.net.buffers().iter().enumerate() {
            self.executor.set_buffer(i, &take(&buffer.name, buffer.len)?)?;
        }
        Ok(())
    }
}

/// The loss of a recipe, for the classes of the training set.
fn prepare(
    recipe: &Recipe,
    network: &Network,
    class_counts: &[usize],
) -> Result<Box<dyn TrainingLoss>, ConfigError> {
    recipe.objective.component.prepare(Trainees { experts: network.experts, class_counts })
}

fn slot_name(slot: usize, parameter: &str) -> String {
    format!("optimizer.{slot}.{parameter}")
}

type HeadValues = Vec<(Vec<f32>, (usize, usize))>;

fn head_parameters(executor: &Executor, places: &[HeadPlace]) -> Result<HeadValues, EngineError> {
    places.iter().map(|&(place, shape)| Ok((executor.parameter(place)?.into_owned(), shape))).collect()
}
