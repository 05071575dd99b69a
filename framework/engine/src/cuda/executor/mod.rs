//! The executor for GPUs.
//!
//! A network is lowered to operations and values like for the processor ([`graph`](crate::graph)), every sum being written once and
//! read from memory. A [`program`] is the list of commands of a pass over a part of a batch; its [`rooms`] share an arena by
//! their lifetimes. Parameters, gradients and velocities lie in slabs that survive ([`slabs`], [`parameters`]). A [`replica`]
//! runs programs on one device, and [`CudaReplicas`] lets the devices of a group work on each batch together.

mod arguments;
mod backward;
mod build;
mod classifier;
mod forward;
mod images;
mod loss;
mod norms;
mod outline;
mod parameters;
mod preview;
mod program;
mod replica;
mod replicas;
mod rooms;
mod slabs;
mod steps;
mod told;

pub use images::StepImages;
pub use preview::{CudaPreview, PassPreview, RoomPreview};
pub use replicas::{CudaOptions, CudaReplicas};
pub use steps::StepOutcome;
