//! How fast this machine is, measured on the very code that experiments run.

mod data;
mod input;
mod operations;
mod step;

pub use input::{BenchInputOptions, bench_input};
pub use operations::{OperationSpeed, Operations, bench_operations};
pub use step::{BenchOptions, BenchResult, Work, bench};
