//! Several executors that work on one batch as one.

use super::reduction::{self, BUCKET};
use crate::EngineError;
use crate::buckets::Buckets;
use crate::checks::{check_batch, check_options, check_seeds};
use crate::cpu::exchange::{Exchange, Peer};
use crate::cpu::executor::{CpuExecutor, CpuOptions, Mode, OperationTime, Share};
use crate::cpu::pool::ThreadPool;
use crate::groups::{BatchNormGroup, Groups};
use crate::share;
use balpoe_net::Net;
use std::ops::Range;
use std::sync::{Arc, mpsc};
use std::thread;

/// Replicas of a network on one machine's processor that share every batch: a [`CpuExecutor`] each, used like one.
///
/// Parameters, gradients, buffers and outputs are those of the whole batch. Seeds of the backward pass are gradients of a
/// loss over the whole batch, so that the sum of the replicas' gradients weights every image alike, however many images a
/// replica has. With one replica this is a [`CpuExecutor`], bit by bit.
pub struct CpuReplicas {
    /// The first is the one whose parameters, gradients and buffers count.
    replicas: Vec<CpuExecutor>,
    batch_norm: BatchNormGroup,
    max_batch: usize,
    buckets: Buckets,
    /// Parameters that the others have not copied from the first yet.
    changed: Vec<bool>,
    /// Parts of the last training batch.
    shares: Vec<Range<usize>>,
    /// Outputs of the whole batch, where there are several replicas.
    outputs: Vec<Vec<f32>>,
}

impl CpuReplicas {
    /// Plans a network for `replicas` replicas. `options.max_batch` is the whole batch; `options.threads` are divided among
    /// the replicas, one each at least.
    ///
    /// # Errors
    /// If an option is out of range, the instruction set is not available, or threads cannot be started.
    pub fn new(net: &Net, options: &CpuOptions, replicas: usize) -> Result<Self, EngineError> {
        let CpuOptions { max_batch, batch_norm, threads, .. } = *options;
        if replicas == 0 || replicas > 64 {
            let range = "from 1 to 64";
            return Err(EngineError::Option { option: "the number of replicas", found: replicas, range });
        }
        check_options(max_batch, batch_norm)?;
        let max_share = share::largest(max_batch, replicas, batch_norm);
        let replica = |rank: usize| {
            let threads = ((rank + 1) * threads / replicas - rank * threads / replicas).max(1);
            CpuExecutor::for_share(net, &CpuOptions { threads, ..options.clone() }, max_share)
        };
        let replicas: Vec<CpuExecutor> = (0..replicas).map(replica).collect::<Result<_, _>>()?;
        let lens: Vec<usize> = net.parameters().iter().map(balpoe_net::Parameter::len).collect();
        let buckets = Buckets::new(&replicas[0].finished_by_step(), &lens, BUCKET);
        let outputs = vec![Vec::new(); net.outputs().len()];
        let changed = vec![true; lens.len()];
        Ok(Self { replicas, batch_norm, max_batch, buckets, changed, shares: Vec::new(), outputs })
    }

    /// The network.
    pub fn net(&self) -> &Net {
        self.replicas[0].net()
    }

    /// How many replicas there are.
    pub fn replicas(&self) -> usize {
        self.replicas.len()
    }

    /// Threads of the first replica, for work between passes.
    pub fn pool(&self) -> &ThreadPool {
        self.replicas[0].pool()
    }

    /// Values of parameter `i`.
    ///
    /// # Panics
    /// This and the following accessors panic if the network has no such parameter or buffer.
    pub fn parameter(&self, i: usize) -> &[f32] {
        self.replicas[0].parameter(i)
    }

    /// Values of parameter `i`, to be changed.
    pub fn parameter_mut(&mut self, i: usize) -> &mut [f32] {
        self.changed[i] = true;
        self.replicas[0].parameter_mut(i)
    }

    /// Gradient of parameter `i`, of the last backward pass; zeros for a parameter that no output depends on.
    pub fn gradient(&self, i: usize) -> &[f32] {
        self.replicas[0].gradient(i)
    }

    /// Gradient of parameter `i`, to be changed (clipped, supplied for a free parameter).
    pub fn gradient_mut(&mut self, i: usize) -> &mut [f32] {
        self.replicas[0].gradient_mut(i)
    }

    /// Parameter `i` to be updated, and its gradient.
    pub fn parameter_and_gradient(&mut self, i: usize) -> (&mut [f32], &[f32]) {
        self.changed[i] = true;
        self.replicas[0].parameter_and_gradient(i)
    }

    /// Running statistic `i`.
    pub fn buffer(&self, i: usize) -> &[f32] {
        self.replicas[0].buffer(i)
    }

    /// Running statistic `i`, to be changed.
    pub fn buffer_mut(&mut self, i: usize) -> &mut [f32] {
        self.replicas[0].buffer_mut(i)
    }

    /// Output `k` of the last forward pass, dense `[batch, channels]` (`[batch, height, width, channels]` for a feature
    /// map).
    ///
    /// # Panics
    /// If the network has no such output.
    pub fn output(&self, k: usize) -> &[f32] {
        if self.replicas.len() == 1 { self.replicas[0].output(k) } else { &self.outputs[k] }
    }

    /// Starts (or stops) measuring the first replica's operations; what was measured before is forgotten.
    pub fn set_timing(&mut self, on: bool) {
        self.replicas[0].set_timing(on);
    }

    /// What was measured since timing was started, in the order in which operations first ran.
    pub fn timings(&self) -> Vec<OperationTime> {
        self.replicas[0].timings()
    }

    /// Computes the outputs for `batch` images, dense `[batch, height, width, channels]`.
    ///
    /// # Errors
    /// As [`CpuExecutor::forward`].
    pub fn forward(&mut self, images: &[f32], batch: usize, mode: Mode) -> Result<(), EngineError> {
        self.shares.clear();
        if self.replicas.len() == 1 {
            return self.replicas[0].forward(images, batch, mode);
        }
        check_batch(self.net(), images, batch, self.max_batch)?;
        self.follow_the_first(mode);
        let group = match mode {
            Mode::Train => self.batch_norm,
            Mode::Evaluate => BatchNormGroup::Images(1),
        };
        let shares = share::divide(batch, self.replicas.len(), group);
        let image = self.net().input_shape().len();
        let (exchange, peers) = peers_of(&shares, group);
        let tasks = self.replicas.iter_mut().zip(&shares).zip(peers).map(|((replica, share), peers)| {
            let images = &images[share.start * image..share.end * image];
            let share_of = Share { groups: Groups::new(group, share.start, batch), peers };
            || replica.forward_share(images, share.len(), mode, share_of)
        });
        run_all(tasks, &exchange)?;
        for (k, output) in self.outputs.iter_mut().enumerate() {
            output.clear();
            for replica in &self.replicas[..shares.len()] {
                output.extend_from_slice(replica.output(k));
            }
        }
        if mode == Mode::Train {
            self.shares = shares;
        }
        Ok(())
    }

    /// Gives the others what changed in the first replica: parameters always, running statistics before an evaluation.
    fn follow_the_first(&mut self, mode: Mode) {
        let (first, others) = self.replicas.split_at_mut(1);
        for other in others {
            for (i, _) in self.changed.iter().enumerate().filter(|(_, changed)| **changed) {
                other.parameter_mut(i).copy_from_slice(first[0].parameter(i));
            }
            if mode == Mode::Evaluate {
                for i in 0..first[0].net().buffers().len() {
                    other.buffer_mut(i).copy_from_slice(first[0].buffer(i));
                }
            }
        }
        self.changed.fill(false);
    }

    /// Computes the gradients of all parameters from those of the outputs, overwriting what was there.
    ///
    /// `seeds[k]` is the gradient of the loss over the whole batch with respect to output `k`, in the layout of
    /// [`output`](Self::output); `None` stands for zeros.
    ///
    /// # Errors
    /// As [`CpuExecutor::backward`].
    pub fn backward(&mut self, seeds: &[Option<&[f32]>]) -> Result<(), EngineError> {
        if self.replicas.len() == 1 {
            return self.replicas[0].backward(seeds);
        }
        let Some(batch) = self.shares.last().map(|share| share.end) else {
            return Err(EngineError::NoForwardPass);
        };
        check_seeds(seeds, &self.outputs)?;
        let (shares, buckets) = (&self.shares, &self.buckets);
        let (exchange, peers) = peers_of(shares, self.batch_norm);
        let (sender, receiver) = mpsc::channel();
        let workers = shares.len();
        let (result, deliveries) = thread::scope(|scope| {
            let reducer = scope.spawn(move || reduction::reduce(buckets.len(), workers, &receiver));
            let active = self.replicas.iter_mut().zip(shares).zip(peers).enumerate();
            let tasks = active.map(|(rank, ((replica, share), peers))| {
                let sender = sender.clone();
                let part = |seed: &[f32]| {
                    let row = seed.len() / batch;
                    share.start * row..share.end * row
                };
                let seeds: Vec<Option<&[f32]>> =
                    seeds.iter().map(|seed| seed.map(|seed| &seed[part(seed)])).collect();
                move || {
                    replica.meet(peers);
                    replica.backward_share(&seeds, &mut |gradients, step| {
                        buckets.hand_over(step, rank, gradients, &sender);
                    })
                }
            });
            let result = run_all(tasks, &exchange);
            // The reducer ends when nobody is left to deliver.
            drop(sender);
            (result, reducer.join().unwrap_or_default())
        });
        for delivery in deliveries {
            let rank = delivery.rank;
            self.buckets.put_back(delivery, self.replicas[rank].gradients_mut());
        }
        result
    }
}

/// A meeting place for the replicas that hold these shares, and their ways to it if they have to meet.
fn peers_of(shares: &[Range<usize>], group: BatchNormGroup) -> (Arc<Exchange>, Vec<Option<Peer>>) {
    let (exchange, peers) = Exchange::new(shares.len());
    let meet = share::splits_groups(shares, group);
    (exchange, peers.into_iter().map(|peer| meet.then_some(peer)).collect())
}

/// Runs every replica's task on a thread of its own, the first on the caller's. One that fails lets the others go.
fn run_all<T>(tasks: impl Iterator<Item = T>, exchange: &Exchange) -> Result<(), EngineError>
where
    T: FnOnce() -> Result<(), EngineError> + Send,
{
    let guarded = |task: T| {
        let mut guard = Guard { exchange, is_done: false };
        let result = task();
        guard.is_done = result.is_ok();
        result
    };
    let results: Vec<Result<(), EngineError>> = thread::scope(|scope| {
        let mut tasks = tasks.collect::<Vec<T>>().into_iter();
        let first = tasks.next();
        let others: Vec<_> = tasks.map(|task| scope.spawn(move || guarded(task))).collect();
        let first = first.map(guarded);
        let panicked = |_| Err(EngineError::Panic { message: "a replica's thread ended".into() });
        first
            .into_iter()
            .chain(others.into_iter().map(|other| other.join().unwrap_or_else(panicked)))
            .collect()
    });
    let mut errors: Vec<EngineError> = results.into_iter().filter_map(Result::err).collect();
    // What happened first says more than that another replica was waited for.
    errors.sort_by_key(|error| *error == EngineError::Replica);
    errors.into_iter().next().map_or(Ok(()), Err)
}

/// Lets the other replicas go if this one fails or panics.
struct Guard<'a> {
    exchange: &'a Exchange,
    is_done: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.exchange.abandon();
        }
    }
}
