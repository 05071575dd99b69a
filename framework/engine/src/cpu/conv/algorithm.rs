//! What every way of computing a convolution offers.

use super::shape::{ConvShape, Halo};
use std::fmt;

/// A way of computing the three passes of a convolution; the methods are those of `ConvKernel`, which checks lengths.
pub(super) trait Algorithm: fmt::Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn multiply_adds(&self, shape: &ConvShape) -> usize {
        shape.multiply_adds()
    }
    fn images_per_block(&self) -> usize;
    fn input_layout(&self) -> Halo;
    fn gradient_layout(&self) -> Halo;
    fn scratch_len(&self) -> usize;
    fn packed_len(&self) -> usize;
    fn packed_transposed_len(&self) -> usize;
    fn accumulator_len(&self) -> usize;
    fn pack(&self, weight: &[f32], packed: &mut [f32]);
    fn pack_transposed(&self, weight: &[f32], packed: &mut [f32]);
    fn forward(&self, input: &[f32], images: usize, packed: &[f32], scratch: &mut [f32], output: &mut [f32]);
    fn data_gradient(&self, dy: &[f32], images: usize, packed: &[f32], scratch: &mut [f32], dx: &mut [f32]);
    fn weight_gradient(
        &self,
        input: &[f32],
        dy: &[f32],
        images: usize,
        scratch: &mut [f32],
        accumulator: &mut [f32],
    );
    fn finish_weight_gradient(&self, accumulator: &[f32], gradient: &mut [f32]);
}

/// Images whose larger side is about 64 KiB, so that with scratch they fit a second-level cache several times; more where
/// reading the weights again for every block would cost more than that.
pub(super) fn images_in_cache(shape: &ConvShape) -> usize {
    let values = (shape.weight_len() / 8).clamp(16 * 1024, 96 * 1024);
    (values / shape.input_len().max(shape.output_len())).max(1)
}
