//! What every device promises to executors, on whatever there is: emulated devices and GPUs.

#![expect(clippy::print_stdout, reason = "tests say what they skip")]
#![cfg(target_os = "linux")]

#[path = "../common/devices.rs"]
mod devices;

mod arrays;
mod convolutions;
mod mistakes;
mod order;
mod products;
mod recordings;
mod self_check;
mod sums;
