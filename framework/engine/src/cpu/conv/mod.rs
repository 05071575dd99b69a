//! Convolution kernels, each single-threaded on a block of images; the algorithm is chosen by shape.
//!
//! A [`ConvKernel`] reads its operands from scratch buffers with a [`Halo`] of zeros, which the executor fills while it
//! evaluates whatever comes before the convolution, and writes dense feature maps. In all of them the channels of a
//! pixel are padded with zeros to a multiple of sixteen, except in the input of a convolution of few channels.

#![expect(
    unsafe_code,
    reason = "inner loops on pointers; `ConvKernel` checks the lengths of all buffers first"
)]

mod algorithm;
mod bench;
mod direct;
mod geometry;
mod grouped;
mod kernel;
mod product;
mod shape;
mod winograd;

#[cfg(test)]
mod tests;

pub use bench::{ConvSpeed, peak_flops};
pub(crate) use kernel::ConvKernel;
pub use shape::ConvShape;
pub(crate) use shape::Halo;
