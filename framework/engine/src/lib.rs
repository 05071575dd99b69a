//! Runs network descriptions: memory plan, CPU kernels, threads; devices and how one is chosen.
//!
//! [`CpuExecutor`] plans a [`Net`](balpoe_net::Net) once and then runs forward and backward passes over batches of
//! images. [`oracle`] computes the same with plain loops in `f32` or `f64` and shares no code with it.

mod arena;
mod buckets;
mod checks;
mod cpu;
pub mod cuda;
mod device;
mod error;
mod graph;
mod groups;
pub mod oracle;
mod schedule;
mod share;

pub use cpu::{
    ConvShape, ConvSpeed, CpuExecutor, CpuOptions, CpuReplicas, InstructionSet, Mode, OperationTime,
    ProductSpeed, SoftTargets, ThreadPool, UnavailableInstructionSet, logit_adjusted_cross_entropy,
    peak_flops,
};
pub use cuda::{CudaOptions, CudaReplicas, StepImages, StepOutcome};
pub use device::{
    CheckFailure, DeviceChoice, DeviceError, NotADevice, Selection, check_devices, select, self_check,
};
pub use error::EngineError;
pub use groups::BatchNormGroup;
