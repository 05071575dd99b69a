//! How fast this machine is, measured on the very code that experiments run.

mod data;
mod operations;
mod step;

pub use operations::{OperationSpeed, Operations, bench_operations};
pub use step::{BenchOptions, BenchResult, Work, bench};
