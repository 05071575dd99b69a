//! The kernel of each operation, with its packed weights.

use super::CpuOptions;
use crate::EngineError;
use crate::cpu::classifier::Classifier;
use crate::cpu::conv::{ConvKernel, ConvShape, Halo};
use crate::cpu::memory::Buffer;
use crate::cpu::pool::ThreadPool;
use crate::cpu::pooling;
use crate::cpu::simd::Dispatch;
use crate::graph::{Graph, Operation, Value};
use balpoe_net::{Net, Op, ParameterId, Window};

/// Feature-map bytes of a block of images: what a kernel reads and writes then stays in the second-level cache.
const BLOCK_BYTES: usize = 64 << 10;
/// Values that the weight-gradient accumulators of a convolution may have, all shards together: clearing and summing
/// them must stay cheap beside the pass itself.
const ACCUMULATED: usize = 1 << 18;
/// Shards of a convolution's backward pass, at least (fewer would leave threads idle) and at most.
const SHARDS: [usize; 2] = [4, 16];

/// An operation's kernel and the form of its operands.
pub(super) struct OpKernel {
    pub(super) kind: Kind,
    /// Images of a block.
    pub(super) block: usize,
    /// How the kernel wants its input, and the place of such a buffer in every workspace.
    pub(super) input: Halo,
    pub(super) input_slot: usize,
    /// The same for its output's gradient.
    pub(super) gradient: Halo,
    pub(super) gradient_slot: usize,
}

pub(super) enum Kind {
    Conv(Box<Convolution>),
    MaxPool(Window),
    AveragePool(Window),
    Concat,
    Classifier(Box<Classifier>),
}

/// A convolution, and its weight as the forward pass and the data gradient read it.
pub(super) struct Convolution {
    pub(super) kernel: ConvKernel,
    pub(super) weight: usize,
    pub(super) bias: Option<usize>,
    pub(super) packed: Buffer,
    pub(super) packed_transposed: Buffer,
}

impl Convolution {
    /// Values that a shard accumulates: the weight's gradient in the kernel's domain, then the bias's.
    pub(super) fn accumulator_len(&self) -> usize {
        self.bias_place() + self.kernel.gradient_layout().channels
    }

    /// Where the bias's gradient lies in an accumulator.
    pub(super) fn bias_place(&self) -> usize {
        crate::cpu::simd::round_up(self.kernel.accumulator_len())
    }

    /// Into how many shards, with sums of their own, a pass over `blocks` blocks is cut: by shape alone.
    pub(super) fn shards(&self, blocks: usize) -> usize {
        // A power of two, which common numbers of threads divide.
        (ACCUMULATED / self.accumulator_len()).next_power_of_two().clamp(SHARDS[0], SHARDS[1]).min(blocks)
    }
}

impl OpKernel {
    pub(super) fn choose_all(
        net: &Net,
        graph: &Graph,
        dispatch: Dispatch,
        options: &CpuOptions,
    ) -> Vec<Self> {
        let mut kernels: Vec<Self> =
            graph.ops.iter().map(|op| Self::choose(net, graph, op, dispatch, options)).collect();
        let (mut inputs, mut gradients) = (Vec::new(), Vec::new());
        for kernel in &mut kernels {
            kernel.input_slot = place_of(&mut inputs, kernel.input);
            kernel.gradient_slot = place_of(&mut gradients, kernel.gradient);
        }
        kernels
    }

    fn choose(net: &Net, graph: &Graph, op: &Operation, dispatch: Dispatch, options: &CpuOptions) -> Self {
        let (input, output) = (&graph.values[op.inputs[0]], &graph.values[op.output]);
        let kind = match &op.op {
            Op::Conv { weight, bias, window, groups } => {
                let shape = ConvShape {
                    in_height: input.shape.height,
                    in_width: input.shape.width,
                    in_channels: input.shape.channels,
                    out_height: output.shape.height,
                    out_width: output.shape.width,
                    out_channels: output.shape.channels,
                    kernel: window.kernel,
                    stride: window.stride,
                    padding: window.padding,
                    groups: *groups,
                };
                let kernel = ConvKernel::choose(shape, dispatch, options.winograd);
                Kind::Conv(Box::new(Convolution {
                    packed: Buffer::zeroed(kernel.packed_len()),
                    packed_transposed: Buffer::zeroed(kernel.packed_transposed_len()),
                    weight: weight.index(),
                    bias: bias.map(ParameterId::index),
                    kernel,
                }))
            }
            Op::MaxPool(window) => Kind::MaxPool(*window),
            Op::AveragePool(window) => Kind::AveragePool(*window),
            Op::GlobalAveragePool => Kind::AveragePool(pooling::whole(input.shape)),
            Op::Concat => Kind::Concat,
            Op::Linear { weight, .. } => {
                let shape = &net.parameters()[weight.index()].shape;
                Kind::Classifier(Box::new(Classifier::new(shape[1], shape[0], None, options.max_batch)))
            }
            Op::CosineLinear { weight, scale } => {
                let shape = &net.parameters()[weight.index()].shape;
                Kind::Classifier(Box::new(Classifier::new(
                    shape[0],
                    shape[1],
                    Some(*scale),
                    options.max_batch,
                )))
            }
            Op::Input | Op::BatchNorm { .. } | Op::Activation(_) | Op::Add | Op::SubsamplePad { .. } => {
                unreachable!("part of a sum, not an operation")
            }
        };
        let (block, input, gradient) = match &kind {
            Kind::Conv(conv) => {
                let kernel = &conv.kernel;
                (kernel.images_per_block(), kernel.input_layout(), kernel.gradient_layout())
            }
            _ => (images_of_block(input), dense(input), dense(output)),
        };
        Self { kind, block: block.min(options.max_batch), input, gradient, input_slot: 0, gradient_slot: 0 }
    }

    /// Values of the forms of its weight that it reads.
    pub(super) fn packed_len(&self) -> usize {
        match &self.kind {
            Kind::Conv(conv) => conv.kernel.packed_len() + conv.kernel.packed_transposed_len(),
            Kind::Classifier(_) | Kind::MaxPool(_) | Kind::AveragePool(_) | Kind::Concat => 0,
        }
    }

    /// What computes it, for tables of timings.
    pub(super) fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Conv(conv) => conv.kernel.name(),
            Kind::MaxPool(_) => "max pool",
            Kind::AveragePool(_) => "average pool",
            Kind::Concat => "copy",
            Kind::Classifier(_) => "product",
        }
    }
}

/// Images of a value that fit a block.
pub(super) fn images_of_block(value: &Value) -> usize {
    (BLOCK_BYTES / size_of::<f32>() / value.image_len()).max(1)
}

/// A value as it lies in memory.
fn dense(value: &Value) -> Halo {
    let (rows, columns) = (value.shape.height, value.shape.width);
    Halo { top: 0, left: 0, rows, columns, channels: value.stride }
}

fn place_of(layouts: &mut Vec<Halo>, layout: Halo) -> usize {
    layouts.iter().position(|other| *other == layout).unwrap_or_else(|| {
        layouts.push(layout);
        layouts.len() - 1
    })
}

/// Packs the weights of all convolutions whose parameters were touched.
pub(super) fn pack_all(
    pool: &ThreadPool,
    kernels: &[OpKernel],
    parameters: &[Vec<f32>],
    touched: &[bool],
) -> Result<(), EngineError> {
    let convolutions: Vec<&Convolution> = kernels
        .iter()
        .filter_map(|kernel| if let Kind::Conv(conv) = &kernel.kind { Some(&**conv) } else { None })
        .filter(|conv| touched[conv.weight])
        .collect();
    pool.run(convolutions.len(), &|_, item| {
        let conv = convolutions[item];
        let weight = &parameters[conv.weight];
        // SAFETY: this thread alone has taken the convolution, and nobody reads packed weights between passes.
        let (packed, transposed) = unsafe {
            let packed = conv.packed.shared().slice_mut(0, conv.kernel.packed_len());
            (packed, conv.packed_transposed.shared().slice_mut(0, conv.kernel.packed_transposed_len()))
        };
        conv.kernel.pack(weight, packed);
        conv.kernel.pack_transposed(weight, transposed);
    })
}
