//! The executor for processors.
//!
//! A network is lowered to operations and the values between them ([`graph`](crate::graph)); chains of batch norm, activation
//! and addition become sums that are evaluated where they are read. The [`schedule`](crate::schedule) orders the work, the
//! [`plan`] places every value and gradient in one arena. The [`executor`] takes blocks of a few images through a step at a time: elementwise work fills
//! the kernel's scratch buffer ([`elementwise`]), the kernel runs on it ([`conv`], [`pooling`]), and statistics or gradients
//! are taken from its result while that is in the second-level cache. Copies between caches cost more than arithmetic, and
//! this way every feature map is read and written about once a pass. Threads share the blocks ([`pool`]); sums over the
//! batch are formed per image or per shard and added in a fixed order, so that results do not depend on threads.

#![expect(unsafe_code, reason = "threads write disjoint parts of shared arenas; kernels work on pointers")]
#![expect(
    clippy::inline_always,
    reason = "code outside a kernel's function is compiled without its instruction set"
)]

mod classifier;
mod conv;
mod elementwise;
mod exchange;
mod executor;
mod loss;
mod measure;
mod memory;
mod norm;
mod plan;
mod pool;
mod pooling;
mod product_speed;
mod replicas;
mod simd;
mod stride;

pub use conv::{ConvShape, ConvSpeed, peak_flops};
pub use executor::{CpuExecutor, CpuOptions, Mode, OperationTime};
pub use loss::{SoftTargets, logit_adjusted_cross_entropy};
pub use pool::ThreadPool;
pub use product_speed::ProductSpeed;
pub use replicas::CpuReplicas;
pub use simd::{InstructionSet, UnavailableInstructionSet};
