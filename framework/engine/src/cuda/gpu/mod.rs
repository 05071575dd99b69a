//! The real device: an NVIDIA GPU through its driver, cuDNN, cuBLASLt and NCCL. As of this version it has never run on one.
//!
//! Work goes to one stream, in order; uploads go ahead on a second one, sums between GPUs on a third. The libraries' own
//! numbers (extents, strides, leading dimensions) are made by plain functions, which are tested without a GPU.

mod context;
mod convolution;
mod device;
mod landing;
mod memory;
mod modules;
mod prepared;
mod product;
mod recording;
mod staging;
mod state;
mod status;
mod stream;
mod sums;

pub use device::Gpu;
