//! NVIDIA GPUs: which libraries this machine has, which devices, and the kernels for them.
//!
//! Every library is opened when it is first needed, so that the program builds without a toolkit and starts without a
//! driver. `cudarc` panics where a library is missing; nothing of it may be called before [`Cuda::probe`] has found the
//! library.

#![expect(unsafe_code, reason = "libraries are opened and called")]

mod device;
mod executor;
mod functions;
mod gpu;
mod kernels;
mod library;
mod machine;
mod precision;

pub use device::{
    Address, Argument, Arriving, Command, Convolution, ConvolutionPass, Device, Fault, Launch, Number,
    Prepared, Product,
};
pub use executor::{
    CudaOptions, CudaPreview, CudaReplicas, PassPreview, RoomPreview, StepImages, StepOutcome,
};
pub use gpu::Gpu;
pub use kernels::{KERNEL_FILES, KernelError, KernelFile, Storage};
pub use library::{Library, LibraryKind};
pub use machine::{Cuda, GpuProperties};
pub use precision::{NotAPrecision, Precision};
