//! A GPU emulated on the processor, for tests of what runs on one: [`EmulatedGpu`].
//!
//! Our kernels are compiled by `g++` and run with blocks and threads emulated; convolutions and products are plain loops; devices
//! of a group add values up by waiting for each other. What a command names must lie within memory that was allocated. It
//! shows that programs compute what they should and keep within their memory. It does not show what a GPU alone does: speed,
//! rounding of its own functions and libraries, memory that several blocks write at the same time.

#![expect(unsafe_code, reason = "addresses of the device are pointers, and kernels are called through them")]

mod commands;
mod convolution;
mod gpu;
mod kernels;
mod meeting;
mod memory;
mod product;
mod storage;

pub use gpu::EmulatedGpu;
