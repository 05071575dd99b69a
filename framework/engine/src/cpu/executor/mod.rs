//! Runs a plan: the public face of the CPU engine.

mod backward;
mod evaluation;
mod forward;
mod frame;
mod kernels;
mod timer;
mod workspace;

use super::exchange::Peer;
use super::memory::Buffer;
use super::norm::NormState;
use super::plan::Plan;
use super::pool::ThreadPool;
use super::simd::{Dispatch, InstructionSet};
use super::stride::pad_channels;
use crate::EngineError;
use crate::checks::{check_batch, check_options, check_seeds};
use crate::graph::{Graph, Reading};
use crate::groups::{BatchNormGroup, Groups};
use crate::schedule::{Flow, Step, completed_parameters, unused_parameters};
use balpoe_net::Net;
use evaluation::EvaluationMemory;
use kernels::OpKernel;
use std::sync::Mutex;
use std::time::Instant;
use timer::{Pass, Timer};
use workspace::Workspace;

pub use timer::OperationTime;

/// How a [`CpuExecutor`] works.
#[derive(Clone, Debug)]
pub struct CpuOptions {
    /// Threads, the caller's included. Results do not depend on it.
    pub threads: usize,
    /// Largest batch that the memory is planned for.
    pub max_batch: usize,
    /// Over which images batch norms take their statistics in training.
    pub batch_norm: BatchNormGroup,
    /// Whether 3x3 convolutions of stride 1 may use Winograd's F(4x4, 3x3), which is faster and rounds differently.
    pub winograd: bool,
    /// Instructions to use; `None` for the best that the processor has. The products of classifiers, and the loss, always
    /// use the best.
    pub instruction_set: Option<InstructionSet>,
}

impl CpuOptions {
    /// All cores, statistics over the whole batch, the fastest kernels.
    pub fn new(max_batch: usize) -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            max_batch,
            batch_norm: BatchNormGroup::All,
            winograd: true,
            instruction_set: None,
        }
    }
}

/// What a forward pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch norms use and record the batch's statistics; a backward pass may follow.
    Train,
    /// Batch norms use the running statistics.
    Evaluate,
}

/// The part of a batch that an executor works on, where replicas share one.
pub(super) struct Share {
    /// Its batch-norm groups.
    pub(super) groups: Groups,
    /// The way to the other replicas, where a group's images lie on several.
    pub(super) peers: Option<Peer>,
}

/// Runs a network on the processor: planned once, then any number of forward and backward passes.
///
/// Results depend on the network, the batch, the options except `threads`, and the instruction set; not on threads.
/// Parameters and buffers start as zeros (running variances as ones): fill them before the first pass. All slices are in
/// the order and layout of the network's lists.
pub struct CpuExecutor {
    net: Net,
    graph: Graph,
    plan: Plan,
    max_batch: usize,
    batch_norm: BatchNormGroup,
    share: Share,
    dispatch: Dispatch,
    pool: ThreadPool,
    parameters: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    buffers: Vec<Vec<f32>>,
    /// Whether a parameter was borrowed for writing since its packed forms were made.
    touched: Vec<bool>,
    kernels: Vec<OpKernel>,
    norms: Vec<NormState>,
    workspaces: Vec<Mutex<Workspace>>,
    /// Allocated by the first training pass.
    training: Option<Buffer>,
    /// Allocated by the first evaluation.
    evaluation: Option<EvaluationMemory>,
    outputs: Vec<Vec<f32>>,
    /// Batch of the forward pass that a backward pass would differentiate.
    trained_batch: Option<usize>,
    /// Sums of weight gradients, one shard after the other.
    accumulators: Buffer,
    /// Parameters that no output depends on.
    unused_parameters: Vec<usize>,
    timer: Timer,
}

impl CpuExecutor {
    /// Plans a network.
    ///
    /// # Errors
    /// If an option is out of range, the instruction set is not available, or threads cannot be started.
    pub fn new(net: &Net, options: &CpuOptions) -> Result<Self, EngineError> {
        check_options(options.max_batch, options.batch_norm)?;
        Self::for_share(net, options, options.max_batch)
    }

    /// Plans a replica that gets up to `max_share` images of batches up to `options.max_batch`.
    pub(super) fn for_share(net: &Net, options: &CpuOptions, max_share: usize) -> Result<Self, EngineError> {
        let groups = Groups::new(options.batch_norm, 0, options.max_batch).count();
        let options = &CpuOptions { max_batch: max_share, ..options.clone() };
        let dispatch = options.instruction_set.unwrap_or_else(InstructionSet::detect).dispatch()?;
        let pool = ThreadPool::new(options.threads)?;
        let mut graph = Graph::new(net, Reading::Evaluated);
        pad_channels(&mut graph);
        let plan = Plan::new(&graph);
        let kernels = OpKernel::choose_all(net, &graph, dispatch, options);
        let norms = graph.norms.iter().map(|norm| {
            let channels = graph.values[norm.source].shape.channels;
            NormState::new(channels, norm.epsilon, norm.momentum, options.max_batch, groups)
        });
        let norms = norms.collect();
        let workspaces = (0..options.threads).map(|_| Mutex::new(Workspace::new(&graph, &kernels))).collect();
        let zeros = |len: usize| vec![0.0; len];
        Ok(Self {
            max_batch: options.max_batch,
            batch_norm: options.batch_norm,
            share: Share { groups: Groups::one(), peers: None },
            dispatch,
            pool,
            parameters: net.parameters().iter().map(|parameter| zeros(parameter.len())).collect(),
            gradients: net.parameters().iter().map(|parameter| zeros(parameter.len())).collect(),
            buffers: net.buffers().iter().map(|buffer| vec![buffer.initial; buffer.len]).collect(),
            touched: vec![true; net.parameters().len()],
            outputs: vec![Vec::new(); net.outputs().len()],
            kernels,
            norms,
            workspaces,
            training: None,
            evaluation: None,
            trained_batch: None,
            accumulators: Buffer::zeroed(0),
            unused_parameters: unused_parameters(&graph, net.parameters().len()),
            timer: Timer::default(),
            net: net.clone(),
            graph,
            plan,
        })
    }

    /// The network.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The instructions that its kernels use.
    pub fn instruction_set(&self) -> InstructionSet {
        self.dispatch.instruction_set()
    }

    /// Its threads, for work between passes.
    pub fn pool(&self) -> &ThreadPool {
        &self.pool
    }

    /// Bytes of the memory that a training step keeps its feature maps and gradients in.
    pub fn training_bytes(&self) -> usize {
        self.plan.arena * self.max_batch * size_of::<f32>()
    }

    /// Bytes of the parameters, their gradients, and the forms of them that kernels read.
    pub fn weight_bytes(&self) -> usize {
        let values: usize = self.parameters.iter().map(Vec::len).sum();
        let packed: usize = self.kernels.iter().map(OpKernel::packed_len).sum();
        (2 * values + packed) * size_of::<f32>()
    }

    /// Values of parameter `i`.
    ///
    /// # Panics
    /// This and the following accessors panic if the network has no such parameter or buffer.
    pub fn parameter(&self, i: usize) -> &[f32] {
        &self.parameters[i]
    }

    /// Values of parameter `i`, to be changed.
    pub fn parameter_mut(&mut self, i: usize) -> &mut [f32] {
        self.touched[i] = true;
        &mut self.parameters[i]
    }

    /// Gradient of parameter `i`, of the last backward pass; zeros for a parameter that no output depends on.
    pub fn gradient(&self, i: usize) -> &[f32] {
        &self.gradients[i]
    }

    /// Gradient of parameter `i`, to be changed (clipped, summed over replicas, supplied for a free parameter).
    pub fn gradient_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.gradients[i]
    }

    /// Parameter `i` to be updated, and its gradient.
    pub fn parameter_and_gradient(&mut self, i: usize) -> (&mut [f32], &[f32]) {
        self.touched[i] = true;
        (&mut self.parameters[i], &self.gradients[i])
    }

    /// Running statistic `i`.
    pub fn buffer(&self, i: usize) -> &[f32] {
        &self.buffers[i]
    }

    /// Running statistic `i`, to be changed.
    pub fn buffer_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.buffers[i]
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
    /// If the batch is empty or too large, `images` has the wrong length, or (in training) a batch norm would see a single
    /// value per channel.
    pub fn forward(&mut self, images: &[f32], batch: usize, mode: Mode) -> Result<(), EngineError> {
        let share = Share { groups: Groups::new(self.batch_norm, 0, batch), peers: None };
        self.forward_share(images, batch, mode, share)
    }

    /// The same for the part of a batch that is this replica's.
    pub(super) fn forward_share(
        &mut self,
        images: &[f32],
        batch: usize,
        mode: Mode,
        share: Share,
    ) -> Result<(), EngineError> {
        check_batch(&self.net, images, batch, self.max_batch)?;
        self.trained_batch = None;
        self.share = share;
        match mode {
            Mode::Train => self.forward_training(images, batch),
            Mode::Evaluate => self.forward_evaluation(images, batch),
        }
    }

    /// Computes the gradients of all parameters from those of the outputs, overwriting what was there.
    ///
    /// `seeds[k]` is the loss's gradient with respect to output `k`, in the layout of [`output`](Self::output); `None`
    /// stands for zeros.
    ///
    /// # Errors
    /// If the last forward pass was not one in training mode, or a seed is missing or has the wrong length.
    pub fn backward(&mut self, seeds: &[Option<&[f32]>]) -> Result<(), EngineError> {
        self.backward_share(seeds, &mut |_, _| ())
    }

    /// The same for this replica's part of the batch; `finished` is called with all gradients after each step of the plan,
    /// and may take those away that the step completed.
    pub(super) fn backward_share(
        &mut self,
        seeds: &[Option<&[f32]>],
        finished: &mut dyn FnMut(&mut [Vec<f32>], usize),
    ) -> Result<(), EngineError> {
        let batch = self.trained_batch.ok_or(EngineError::NoForwardPass)?;
        check_seeds(seeds, &self.outputs)?;
        self.backward_training(seeds, batch, finished)
    }

    /// Another way to the other replicas, for the backward pass.
    pub(super) fn meet(&mut self, peers: Option<Peer>) {
        self.share.peers = peers;
    }

    /// All gradients, to put those back that were taken.
    pub(super) fn gradients_mut(&mut self) -> &mut [Vec<f32>] {
        &mut self.gradients
    }

    /// In the order of the backward pass: each step of the plan, with the parameters whose gradients it completes.
    pub(super) fn finished_by_step(&self) -> Vec<(usize, Vec<usize>)> {
        completed_parameters(&self.graph, &self.plan.steps, &self.plan.backward)
    }

    /// Starts (or stops) measuring operations; what was measured before is forgotten.
    pub fn set_timing(&mut self, on: bool) {
        self.timer.restart(on);
    }

    /// What was measured since timing was started, in the order in which operations first ran.
    pub fn timings(&self) -> Vec<OperationTime> {
        self.timer.report()
    }

    /// Remakes the packed forms of parameters that were borrowed for writing.
    fn pack(&mut self) -> Result<(), EngineError> {
        kernels::pack_all(&self.pool, &self.kernels, &self.parameters, &self.touched)?;
        self.touched.fill(false);
        Ok(())
    }

    /// Books the time of a pass over a step.
    fn record(&mut self, start: Option<Instant>, step: usize, pass: Pass, batch: usize) {
        let Self { timer, plan, graph, kernels, net, .. } = self;
        timer.stop(start, step, pass, || {
            let (name, kernel, weight) = match &plan.steps[step] {
                Step::Evaluate(_) => ("sum", "elementwise", 0),
                Step::Operation { op, .. } => {
                    let operation = &graph.ops[*op];
                    let weight = operation.parameters()[0].map_or(0, |weight| net.parameters()[weight].len());
                    let pixels = graph.values[operation.output].shape.pixels();
                    (&operation.name[..], kernels[*op].name(), weight * pixels)
                }
            };
            let (name_of_pass, products) = match pass {
                Pass::Forward => ("forward", 1),
                // One for the weight's gradient and, unless the input is the images, one for the input's.
                Pass::Backward => {
                    let stops = matches!(plan.backward[step].inputs[..], [Flow::Stop]);
                    ("backward", if stops { 1 } else { 2 })
                }
            };
            let values = plan.traffic(graph, step, pass == Pass::Backward) * batch;
            OperationTime {
                name: format!("{name} {name_of_pass}"),
                kernel: kernel.into(),
                seconds: 0.0,
                best: 0.0,
                runs: 0,
                multiply_adds: (products * weight * batch) as u64,
                bytes: (values * size_of::<f32>()) as u64,
            }
        });
    }
}
