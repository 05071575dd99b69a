//! Data parallel: replicas of a network that share every batch.
//!
//! Each replica holds all parameters, has a thread and workers of its own, and computes on consecutive images of the batch.
//! Two things pass between them: the sums of batch norms whose group lies on several replicas ([`super::exchange`]), and the
//! parameters' gradients, which are summed in buckets while the backward pass goes on ([`reduction`]). The method is the
//! same for any number of replicas; results differ by rounding.

mod executor;
mod reduction;

pub use executor::CpuReplicas;
