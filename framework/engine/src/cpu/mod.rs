//! The executor for processors: one plan, fused elementwise work, convolution kernels, threads.

#![expect(unsafe_code, reason = "threads write disjoint parts of shared arenas; kernels work on pointers")]
#![expect(
    clippy::inline_always,
    reason = "code outside a kernel's function is compiled without its instruction set"
)]

mod classifier;
mod conv;
mod elementwise;
mod executor;
mod graph;
mod loss;
mod memory;
mod norm;
mod plan;
mod pool;
mod pooling;
mod simd;

pub use conv::{ConvShape, ConvSpeed, peak_flops};
pub use executor::{CpuExecutor, CpuOptions, Mode, OperationTime};
pub use loss::{SoftTargets, logit_adjusted_cross_entropy};
pub use norm::BatchNormGroup;
pub use pool::ThreadPool;
pub use simd::{InstructionSet, UnavailableInstructionSet};
