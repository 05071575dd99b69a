//! On what an experiment computes: what was asked for, and what this machine can do about it.

mod choice;
mod failure;
mod selection;
mod self_check;

pub use choice::{DeviceChoice, NotADevice};
pub use failure::CheckFailure;
pub use selection::{DeviceError, Selection, select};
pub use self_check::{check_devices, self_check};
