//! Samples over seeds: intervals, tests and effect sizes.

mod interval;
mod paired;
mod sample;
mod student;

pub use interval::{Interval, Level, LevelError};
pub use paired::{Paired, PairedError};
pub use sample::{Sample, SampleError};
pub use student::TTest;
