//! A network on the devices that it is trained on.

use std::borrow::Cow;

use balpoe_core::experiment::{BatchNormGroup, Precision, Train};
use balpoe_engine::cuda::{self, CudaOptions, CudaReplicas};
use balpoe_engine::{self as engine, CpuOptions, CpuReplicas, EngineError, Mode, OperationTime, ThreadPool};
use balpoe_net::Net;

use crate::error::LabError;
use crate::resources::{Devices, Resources};
use crate::slots::Slots;

/// A network with its parameters and running statistics, planned for batches of one size.
///
/// Values are in PyTorch's layouts wherever they are. On the processor they are at hand, from a GPU they are copied.
pub enum Executor {
    /// On the processor.
    Cpu {
        /// The engine's part.
        replicas: CpuReplicas,
        /// What the optimizer keeps.
        slots: Slots,
    },
    /// On GPUs.
    Cuda {
        /// The engine's part.
        replicas: Box<CudaReplicas>,
        /// What the optimizer keeps; none where the GPU has its update, and the velocities.
        slots: Option<Slots>,
        /// The processor's threads, for what the GPU does not do.
        pool: ThreadPool,
    },
}

impl Executor {
    /// Plans a network for the batches of a training.
    ///
    /// # Errors
    /// If a device cannot be had, has too little memory, or the engine refuses an option.
    pub(crate) fn new(net: &Net, train: &Train, resources: Resources<'_>) -> Result<Self, LabError> {
        let batch_norm = match train.batch_norm_group {
            BatchNormGroup::All => engine::BatchNormGroup::All,
            BatchNormGroup::Images(n) => engine::BatchNormGroup::Images(n),
        };
        let (threads, max_batch) = (resources.threads, train.batch_size);
        match resources.devices {
            Devices::Cpu => {
                let options = CpuOptions {
                    threads,
                    max_batch,
                    batch_norm,
                    winograd: train.winograd,
                    instruction_set: None,
                };
                let replicas = CpuReplicas::new(net, &options, resources.replicas)?;
                Ok(Self::Cpu { replicas, slots: Slots::new() })
            }
            Devices::Cuda { ordinals, gpus } => {
                let devices = gpus.open(ordinals, engine_precision(train.precision))?;
                let replicas = CudaReplicas::new(net, &CudaOptions { max_batch, batch_norm }, devices)?;
                let replicas = Box::new(replicas);
                Ok(Self::Cuda { replicas, slots: Some(Slots::new()), pool: ThreadPool::new(threads)? })
            }
        }
    }

    /// The network.
    pub(crate) fn net(&self) -> &Net {
        match self {
            Self::Cpu { replicas, .. } => replicas.net(),
            Self::Cuda { replicas, .. } => replicas.net(),
        }
    }

    /// Values of parameter `i` of the network.
    ///
    /// # Errors
    /// This and the following methods fail if the device does.
    ///
    /// # Panics
    /// This and the following methods panic if the network has no such parameter, buffer or output.
    pub fn parameter(&self, i: usize) -> Result<Cow<'_, [f32]>, EngineError> {
        match self {
            Self::Cpu { replicas, .. } => Ok(Cow::Borrowed(replicas.parameter(i))),
            Self::Cuda { replicas, .. } => replicas.parameter(i).map(Cow::Owned),
        }
    }

    /// Replaces the values of parameter `i`.
    ///
    /// # Errors
    /// See [`parameter`](Self::parameter).
    pub fn set_parameter(&mut self, i: usize, values: &[f32]) -> Result<(), EngineError> {
        match self {
            Self::Cpu { replicas, .. } => replicas.parameter_mut(i).copy_from_slice(values),
            Self::Cuda { replicas, .. } => replicas.set_parameter(i, values)?,
        }
        Ok(())
    }

    /// Gradient of parameter `i`, of the last step.
    ///
    /// # Errors
    /// See [`parameter`](Self::parameter).
    pub fn gradient(&self, i: usize) -> Result<Cow<'_, [f32]>, EngineError> {
        match self {
            Self::Cpu { replicas, .. } => Ok(Cow::Borrowed(replicas.gradient(i))),
            Self::Cuda { replicas, .. } => replicas.gradient(i).map(Cow::Owned),
        }
    }

    /// Replaces the gradient of parameter `i`.
    pub(crate) fn set_gradient(&mut self, i: usize, values: &[f32]) -> Result<(), EngineError> {
        match self {
            Self::Cpu { replicas, .. } => replicas.gradient_mut(i).copy_from_slice(values),
            Self::Cuda { replicas, .. } => replicas.set_gradient(i, values)?,
        }
        Ok(())
    }

    /// Running statistic `i`.
    ///
    /// # Errors
    /// See [`parameter`](Self::parameter).
    pub fn buffer(&self, i: usize) -> Result<Cow<'_, [f32]>, EngineError> {
        match self {
            Self::Cpu { replicas, .. } => Ok(Cow::Borrowed(replicas.buffer(i))),
            Self::Cuda { replicas, .. } => replicas.buffer(i).map(Cow::Owned),
        }
    }

    /// Replaces running statistic `i`.
    ///
    /// # Errors
    /// See [`parameter`](Self::parameter).
    pub fn set_buffer(&mut self, i: usize, values: &[f32]) -> Result<(), EngineError> {
        match self {
            Self::Cpu { replicas, .. } => replicas.buffer_mut(i).copy_from_slice(values),
            Self::Cuda { replicas, .. } => replicas.set_buffer(i, values)?,
        }
        Ok(())
    }

    /// Computes the outputs for `batch` normalised images, dense `[batch, height, width, channels]`.
    pub(crate) fn forward(&mut self, images: &[f32], batch: usize, mode: Mode) -> Result<(), EngineError> {
        match self {
            Self::Cpu { replicas, .. } => replicas.forward(images, batch, mode),
            Self::Cuda { replicas, .. } => replicas.forward(images, batch, mode),
        }
    }

    /// Output `k` of the last forward pass, dense `[batch, channels]`.
    pub fn output(&self, k: usize) -> &[f32] {
        match self {
            Self::Cpu { replicas, .. } => replicas.output(k),
            Self::Cuda { replicas, .. } => replicas.output(k),
        }
    }

    /// Computes the gradients of all parameters from those of the outputs; `None` stands for zeros.
    pub(crate) fn backward(&mut self, seeds: &[Option<&[f32]>]) -> Result<(), EngineError> {
        match self {
            Self::Cpu { replicas, .. } => replicas.backward(seeds),
            Self::Cuda { replicas, .. } => replicas.backward(seeds),
        }
    }

    /// The processor's threads, for work between passes.
    pub(crate) fn pool(&self) -> &ThreadPool {
        match self {
            Self::Cpu { replicas, .. } => replicas.pool(),
            Self::Cuda { pool, .. } => pool,
        }
    }

    /// What came up on the devices since this was last asked and the user should know, a line each.
    pub(crate) fn take_notices(&self) -> Vec<String> {
        match self {
            Self::Cpu { .. } => Vec::new(),
            Self::Cuda { replicas, .. } => replicas.take_notices(),
        }
    }

    /// Starts or stops timing single operations, which only the processor does.
    pub(crate) fn set_timing(&mut self, on: bool) {
        if let Self::Cpu { replicas, .. } = self {
            replicas.set_timing(on);
        }
    }

    /// The times of operations since timing was switched on.
    pub(crate) fn timings(&self) -> Vec<OperationTime> {
        match self {
            Self::Cpu { replicas, .. } => replicas.timings(),
            Self::Cuda { .. } => Vec::new(),
        }
    }
}

/// A precision as the engine calls it.
pub fn engine_precision(precision: Precision) -> cuda::Precision {
    match precision {
        Precision::F32 => cuda::Precision::F32,
        Precision::Tf32 => cuda::Precision::Tf32,
        Precision::Bf16 => cuda::Precision::Bf16,
    }
}
