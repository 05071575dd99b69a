//! A network on the GPUs of a machine.

use super::build::{Purpose, plan};
use super::outline::{Outline, Part};
use super::replica::{Pass, Plans, Replica, first_error};
use super::slabs::Slabs;
use crate::checks::{check_batch, check_len, check_options, check_seeds};
use crate::cuda::{Address, Device};
use crate::{BatchNormGroup, EngineError, Mode};
use balpoe_net::{Net, Sgd};
use std::thread;

/// How a [`CudaReplicas`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CudaOptions {
    /// Largest batch that the memory is planned for, over all devices.
    pub max_batch: usize,
    /// Over which images batch norms take their statistics in training.
    pub batch_norm: BatchNormGroup,
}

/// Replicas of a network that share every batch, one on each device of a group: the counterpart of
/// [`CpuReplicas`](crate::CpuReplicas).
///
/// Parameters, gradients, velocities and outputs are those of the whole batch; running statistics are those of its first
/// batch-norm group. Slices are in the order and layout of the network's lists. Parameters and buffers start as zeros (running
/// variances as ones), and so do velocities.
pub struct CudaReplicas {
    /// The first is the one that is asked for what all have, and whose running statistics count.
    pub(super) replicas: Vec<Replica>,
    pub(super) outline: Outline,
    pub(super) plans: Plans,
    /// Bytes of each device that outlive a pass.
    slab_bytes: usize,
    /// Whether the others' running statistics are not those of the first.
    pub(super) statistics_behind: bool,
    /// Batch of the forward pass that a backward pass would differentiate.
    pub(super) trained_batch: Option<usize>,
    /// Whether the devices know what bytes are to the network.
    pub(super) is_normalised: bool,
    /// Images that every device keeps.
    pub(super) kept: usize,
    /// Steps whose outcome was not waited for.
    pub(super) begun: usize,
    pub(super) outputs: Vec<Vec<f32>>,
}

impl CudaReplicas {
    /// Plans a network for a group of devices, given in the order of their ranks.
    ///
    /// # Errors
    /// If an option is out of range, the devices are not a group, or memory does not suffice.
    pub fn new(net: &Net, options: &CudaOptions, devices: Vec<Box<dyn Device>>) -> Result<Self, EngineError> {
        let CudaOptions { max_batch, batch_norm } = *options;
        check_options(max_batch, batch_norm)?;
        let Some(storage) = devices.first().map(|device| device.storage()) else {
            let range = "at least 1";
            return Err(EngineError::Option { option: "the number of devices", found: 0, range });
        };
        for (rank, device) in devices.iter().enumerate() {
            if device.rank() != rank {
                let range = "its place in the list";
                return Err(EngineError::Option { option: "a device's rank", found: device.rank(), range });
            }
            if device.group() != devices.len() {
                let range = "the number of devices";
                return Err(EngineError::Option { option: "a device's group", found: device.group(), range });
            }
        }
        let outline = Outline::new(net, max_batch, batch_norm, devices.len(), storage);
        let plans = Plans {
            evaluate: plan(&outline, &Purpose::Evaluate),
            train: plan(&outline, &Purpose::Train),
            step: None,
        };
        let replicas = devices.into_iter().map(|device| Replica::new(device, &outline));
        Ok(Self {
            replicas: replicas.collect::<Result<_, _>>()?,
            plans,
            slab_bytes: Slabs::new(&outline, Address::NULL).1,
            statistics_behind: false,
            trained_batch: None,
            is_normalised: false,
            kept: 0,
            begun: 0,
            outputs: vec![Vec::new(); net.outputs().len()],
            outline,
        })
    }

    /// The network.
    pub fn net(&self) -> &Net {
        &self.outline.net
    }

    /// How many replicas there are, one on each device.
    pub fn replicas(&self) -> usize {
        self.replicas.len()
    }

    /// The devices' names, in the order of their ranks.
    pub fn devices(&self) -> Vec<String> {
        self.replicas.iter().map(|replica| replica.device().name()).collect()
    }

    /// What came up on the devices since this was last asked and the user should know, a line each.
    pub fn take_notices(&self) -> Vec<String> {
        self.replicas.iter().flat_map(|replica| replica.device().take_notices()).collect()
    }

    /// Bytes of the memory that is planned on each device, apart from what its libraries take and what steps bring of images.
    pub fn bytes(&self) -> usize {
        let loss = self.plans.step.as_ref().map_or(0, |(loss, _)| loss.logits.len() * loss.classes);
        let kept = self.kept * self.outline.net.input_shape().len();
        self.slab_bytes + loss * size_of::<f32>() + self.plans.arena() + kept
    }

    /// Values of parameter `i`.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// This and the following accessors panic if the network has no such parameter or buffer.
    pub fn parameter(&self, i: usize) -> Result<Vec<f32>, EngineError> {
        self.read(|slabs| slabs.weights, i)
    }

    /// Changes parameter `i`.
    ///
    /// # Errors
    /// If the number of values is wrong, or a device fails.
    pub fn set_parameter(&mut self, i: usize, values: &[f32]) -> Result<(), EngineError> {
        self.replicas.iter_mut().for_each(Replica::parameters_changed);
        self.write(|slabs| slabs.weights, i, values)
    }

    /// Gradient of parameter `i`, of the last backward pass or step; zeros for a parameter that no output depends on.
    ///
    /// # Errors
    /// If the device fails.
    pub fn gradient(&self, i: usize) -> Result<Vec<f32>, EngineError> {
        self.read(|slabs| slabs.gradients, i)
    }

    /// Changes the gradient of parameter `i` (clipped, supplied for a free parameter).
    ///
    /// # Errors
    /// As [`set_parameter`](Self::set_parameter).
    pub fn set_gradient(&mut self, i: usize, values: &[f32]) -> Result<(), EngineError> {
        self.write(|slabs| slabs.gradients, i, values)
    }

    /// Velocity of parameter `i`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn velocity(&self, i: usize) -> Result<Vec<f32>, EngineError> {
        self.read(|slabs| slabs.velocities, i)
    }

    /// Changes the velocity of parameter `i`.
    ///
    /// # Errors
    /// As [`set_parameter`](Self::set_parameter).
    pub fn set_velocity(&mut self, i: usize, values: &[f32]) -> Result<(), EngineError> {
        self.write(|slabs| slabs.velocities, i, values)
    }

    /// Running statistic `i`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn buffer(&self, i: usize) -> Result<Vec<f32>, EngineError> {
        let range = &self.outline.statistics[i];
        let first = &self.replicas[0];
        first.read(first.slabs().statistics, range.start, range.len())
    }

    /// Changes running statistic `i`.
    ///
    /// # Errors
    /// As [`set_parameter`](Self::set_parameter).
    pub fn set_buffer(&mut self, i: usize, values: &[f32]) -> Result<(), EngineError> {
        let range = &self.outline.statistics[i];
        let what = || format!("buffer {}", self.outline.net.buffers()[i].name);
        check_len(what, values.len(), range.len(), "as the network has it")?;
        self.replicas
            .iter()
            .try_for_each(|replica| replica.write(replica.slabs().statistics, range.start, values))
    }

    fn read(&self, slab: impl Fn(&Slabs) -> Address, i: usize) -> Result<Vec<f32>, EngineError> {
        let range = self.outline.parameters.range(i);
        let first = &self.replicas[0];
        let values = first.read(slab(first.slabs()), range.start, range.len())?;
        Ok(self.outline.parameters.to_host(i, values))
    }

    fn write(&self, slab: impl Fn(&Slabs) -> Address, i: usize, values: &[f32]) -> Result<(), EngineError> {
        let range = self.outline.parameters.range(i);
        let what = || format!("parameter {}", self.outline.net.parameters()[i].name);
        check_len(what, values.len(), range.len(), "as the network has it")?;
        let values = self.outline.parameters.to_device(i, values);
        self.replicas
            .iter()
            .try_for_each(|replica| replica.write(slab(replica.slabs()), range.start, &values))
    }

    /// Output `k` of the last forward pass, dense `[batch, channels]` (`[batch, height, width, channels]` for a feature
    /// map).
    ///
    /// # Panics
    /// If the network has no such output.
    pub fn output(&self, k: usize) -> &[f32] {
        &self.outputs[k]
    }

    /// Computes the outputs for `batch` images, dense `[batch, height, width, channels]`.
    ///
    /// # Errors
    /// If the batch is empty or too large, `images` has the wrong length, (in training) a batch norm would see a single value
    /// per channel, or a device fails.
    pub fn forward(&mut self, images: &[f32], batch: usize, mode: Mode) -> Result<(), EngineError> {
        check_batch(&self.outline.net, images, batch, self.outline.max_batch)?;
        self.trained_batch = None;
        let (pass, parts) = match mode {
            Mode::Train => {
                self.check_groups(batch)?;
                (Pass::Train { batch }, self.outline.training_parts(batch))
            }
            Mode::Evaluate => {
                self.share_statistics()?;
                (Pass::Evaluate { batch }, self.outline.evaluation_parts(batch))
            }
        };
        self.prepare(&pass, &parts)?;
        let (outline, image) = (&self.outline, self.outline.net.input_shape().len());
        // Nobody waits for a device without images in evaluation.
        let works = |part: Part| part.images > 0 || mode == Mode::Train;
        let outputs = on_all(&mut self.replicas, |replica, rank| {
            let part = parts[rank];
            if !works(part) {
                return Ok(Vec::new());
            }
            replica.run(&pass, &images[part.first * image..(part.first + part.images) * image])?;
            if part.images == 0 { Ok(Vec::new()) } else { replica.outputs(outline, &pass, part.images) }
        })?;
        for (k, output) in self.outputs.iter_mut().enumerate() {
            output.clear();
            outputs
                .iter()
                .filter_map(|outputs| outputs.get(k))
                .for_each(|part| output.extend_from_slice(part));
        }
        if mode == Mode::Train {
            self.statistics_behind = true;
            self.trained_batch = Some(batch);
        }
        Ok(())
    }

    /// Computes the gradients of all parameters from those of the outputs, overwriting what was there.
    ///
    /// `seeds[k]` is the gradient of the loss over the whole batch with respect to output `k`, in the layout of
    /// [`output`](Self::output); `None` stands for zeros.
    ///
    /// # Errors
    /// If the last pass was not a forward pass in training mode, a seed is missing or has the wrong length, or a device fails.
    pub fn backward(&mut self, seeds: &[Option<&[f32]>]) -> Result<(), EngineError> {
        let batch = self.trained_batch.ok_or(EngineError::NoForwardPass)?;
        check_seeds(seeds, &self.outputs)?;
        self.trained_batch = None;
        let (outline, pass) = (&self.outline, Pass::Train { batch });
        let parts = outline.training_parts(batch);
        on_all(&mut self.replicas, |replica, rank| {
            let Part { images, first, .. } = parts[rank];
            let own = |(k, seed): (usize, Option<&[f32]>)| {
                let len = outline.output_len(k);
                seed.map_or_else(
                    || vec![0.0; images * len],
                    |seed| seed[first * len..(first + images) * len].to_vec(),
                )
            };
            let seeds: Vec<Vec<f32>> = seeds.iter().copied().enumerate().map(own).collect();
            replica.run_backward(&pass, &seeds)
        })?;
        Ok(())
    }

    /// Updates all parameters that are not frozen by their gradients.
    ///
    /// # Errors
    /// If `frozen` does not fit, or a device fails.
    pub fn update(&mut self, sgd: &Sgd, frozen: &[bool]) -> Result<(), EngineError> {
        self.check_frozen(frozen)?;
        let outline = &self.outline;
        self.replicas.iter_mut().try_for_each(|replica| replica.update(outline, sgd, frozen))
    }

    pub(super) fn check_frozen(&self, frozen: &[bool]) -> Result<(), EngineError> {
        let expected = self.outline.parameters.parameters();
        check_len(|| "the list of frozen parameters".into(), frozen.len(), expected, "one for each parameter")
    }

    /// Refuses batches in which a batch norm's variance would be undefined.
    pub(super) fn check_groups(&self, batch: usize) -> Result<(), EngineError> {
        let smallest = self.outline.smallest_group(batch);
        let graph = &self.outline.graph;
        let single = graph.norms.iter().find(|norm| smallest * graph.values[norm.source].shape.pixels() == 1);
        single.map_or(Ok(()), |norm| Err(EngineError::OneValuePerChannel { name: norm.name.clone() }))
    }

    /// Makes a pass ready on all devices, so that none begins what another cannot.
    pub(super) fn prepare(&mut self, pass: &Pass, parts: &[Part]) -> Result<(), EngineError> {
        let (outline, plans) = (&self.outline, &self.plans);
        on_all(&mut self.replicas, |replica, rank| {
            let is_idle = parts[rank].images == 0 && matches!(pass, Pass::Evaluate { .. });
            if is_idle { Ok(()) } else { replica.prepare(outline, plans, pass, parts[rank]) }
        })?;
        Ok(())
    }

    /// Gives the others the running statistics of the first.
    fn share_statistics(&mut self) -> Result<(), EngineError> {
        if !std::mem::take(&mut self.statistics_behind) || self.replicas.len() == 1 {
            return Ok(());
        }
        let first = &self.replicas[0];
        let values = first.read(first.slabs().statistics, 0, self.outline.statistics_len())?;
        self.replicas[1..].iter().try_for_each(|other| other.write(other.slabs().statistics, 0, &values))
    }
}

impl Drop for CudaReplicas {
    fn drop(&mut self) {
        // A device that goes takes the group with it, and others may still be at work on a step.
        self.replicas.iter_mut().for_each(Replica::settle);
    }
}

/// Lets every replica do something on a thread of its own, the first on the caller's.
pub(super) fn on_all<T: Send>(
    replicas: &mut [Replica],
    work: impl Fn(&mut Replica, usize) -> Result<T, EngineError> + Sync,
) -> Result<Vec<T>, EngineError> {
    let work = &work;
    let results: Vec<Result<T, EngineError>> = thread::scope(|scope| {
        let mut ranked = replicas.iter_mut().enumerate();
        let first = ranked.next();
        let others: Vec<_> = ranked.map(|(rank, replica)| scope.spawn(move || work(replica, rank))).collect();
        let first = first.map(|(rank, replica)| work(replica, rank));
        let panicked = |_| Err(EngineError::Panic { message: "a replica's thread ended".into() });
        first
            .into_iter()
            .chain(others.into_iter().map(|other| other.join().unwrap_or_else(panicked)))
            .collect()
    });
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => done.push(value),
            Err(error) => errors.push(error),
        }
    }
    first_error(errors.into_iter()).map_or(Ok(done), Err)
}
