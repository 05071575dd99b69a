//! What a thread works with while it is inside a block of images.

use super::kernels::{Kind, OpKernel};
use crate::cpu::conv::Halo;
use crate::cpu::elementwise::{GradientSums, Piece};
use crate::cpu::memory::Buffer;
use crate::graph::{Graph, Value};

/// One thread's scratch memory. Its buffers are small enough to stay in the second-level cache.
pub(super) struct Workspace {
    /// One buffer for each form that a kernel wants its input in. What surrounds the feature map is zero and stays so,
    /// which is why forms do not share a buffer.
    pub(super) inputs: Vec<Buffer>,
    /// The same for the gradients of outputs.
    pub(super) gradients: Vec<Buffer>,
    /// The gradient of a block's input, dense.
    pub(super) dense: Buffer,
    /// Working memory of the convolution kernels.
    pub(super) kernel: Buffer,
    /// One image of a value whose kernel wants its channels unpadded.
    pub(super) image: Buffer,
    /// A row of a value that is evaluated again for its activation's derivative.
    pub(super) row: Buffer,
    /// Lists that are filled anew for every image.
    pub(super) lists: Lists,
}

/// Descriptions of elementwise work on one image.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) pieces: Vec<Piece>,
    pub(super) value: Vec<Piece>,
    pub(super) sums: Vec<GradientSums>,
}

// SAFETY: between blocks the lists hold stale pointers that nobody follows; inside a block they stay on one thread.
unsafe impl Send for Lists {}

impl Workspace {
    pub(super) fn new(graph: &Graph, kernels: &[OpKernel]) -> Self {
        let (mut inputs, mut gradients) = (Vec::new(), Vec::new());
        let (mut dense, mut scratch) = (0, 0);
        for (kernel, op) in kernels.iter().zip(&graph.ops) {
            if op.is_classifier() {
                continue;
            }
            grow(&mut inputs, kernel.input_slot, kernel.input, kernel.block);
            grow(&mut gradients, kernel.gradient_slot, kernel.gradient, kernel.block);
            let longest = op.inputs.iter().map(|&input| graph.values[input].image_len()).max();
            dense = dense.max(kernel.block * longest.unwrap_or(0));
            if let Kind::Conv(conv) = &kernel.kind {
                scratch = scratch.max(conv.kernel.scratch_len());
            }
        }
        let image = graph.values.iter().map(Value::image_len).max().unwrap_or(0);
        let row = graph.values.iter().map(|value| value.shape.width * value.stride).max().unwrap_or(0);
        let zeroed = |lens: Vec<usize>| lens.into_iter().map(Buffer::zeroed).collect();
        Self {
            inputs: zeroed(inputs),
            gradients: zeroed(gradients),
            dense: Buffer::zeroed(dense),
            kernel: Buffer::zeroed(scratch),
            image: Buffer::zeroed(image),
            row: Buffer::zeroed(row),
            lists: Lists::default(),
        }
    }
}

fn grow(lens: &mut Vec<usize>, slot: usize, layout: Halo, images: usize) {
    if lens.len() <= slot {
        lens.resize(slot + 1, 0);
    }
    lens[slot] = lens[slot].max(layout.block_len(images));
}
