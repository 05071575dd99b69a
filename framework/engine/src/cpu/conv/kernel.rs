use super::{
    algorithm::Algorithm,
    direct::Direct,
    grouped::Grouped,
    shape::{ConvShape, Halo},
    winograd::Winograd,
};
use crate::cpu::simd::Dispatch;

/// The kernels of one convolution. No pass allocates, and none depends on threads.
///
/// Buffers are faster when aligned to 64 bytes; correctness does not depend on it. Lengths are exact for weights and at
/// least what is stated for the rest; a wrong length is a mistake in the executor and panics.
///
/// Rounding: the largest difference from exact sums, over the largest value of a result, is about 5e-7 for the direct and
/// grouped algorithms and 2e-6 to 9e-6 for Winograd's, measured on the shapes of ResNet-32 with uniform values.
///
/// There is no hook that takes batch-norm statistics while outputs are stored: it would save reading a block that is still
/// in the second-level cache, by estimate 1 to 2 % of a forward pass, and cost every kernel a second form.
#[derive(Debug)]
pub(crate) struct ConvKernel {
    shape: ConvShape,
    algorithm: Box<dyn Algorithm>,
}

impl ConvKernel {
    /// The fastest algorithm for a shape; `winograd = false` keeps to algorithms that only reorder sums.
    pub(crate) fn choose(shape: ConvShape, dispatch: Dispatch, winograd: bool) -> Self {
        let algorithm: Box<dyn Algorithm> = if winograd && Winograd::suits(&shape) {
            Box::new(Winograd::new(&shape, dispatch))
        } else if Grouped::suits(&shape) {
            Box::new(Grouped::new(&shape, dispatch))
        } else {
            Box::new(Direct::new(&shape, dispatch))
        };
        Self { shape, algorithm }
    }

    /// The algorithm's name, for tables of timings.
    pub(crate) fn name(&self) -> &'static str {
        self.algorithm.name()
    }

    /// Multiply-adds of one pass over one image that the algorithm needs, transforms left out.
    pub(crate) fn multiply_adds(&self) -> usize {
        self.algorithm.multiply_adds(&self.shape)
    }

    /// How many images make a block whose operands stay in the second-level cache; any number is allowed.
    pub(crate) fn images_per_block(&self) -> usize {
        self.algorithm.images_per_block()
    }

    /// The form that [`ConvKernel::forward`] and [`ConvKernel::weight_gradient`] read the input in.
    pub(crate) fn input_layout(&self) -> Halo {
        self.algorithm.input_layout()
    }

    /// The form that [`ConvKernel::data_gradient`] and [`ConvKernel::weight_gradient`] read the output's gradient in.
    pub(crate) fn gradient_layout(&self) -> Halo {
        self.algorithm.gradient_layout()
    }

    /// Values of the working memory of every pass; its content does not matter before and means nothing after.
    pub(crate) fn scratch_len(&self) -> usize {
        self.algorithm.scratch_len()
    }

    /// Values of the forward pass's weights.
    pub(crate) fn packed_len(&self) -> usize {
        self.algorithm.packed_len()
    }

    /// Values of the data gradient's weights.
    pub(crate) fn packed_transposed_len(&self) -> usize {
        self.algorithm.packed_transposed_len()
    }

    /// Values that a weight gradient is accumulated in; zero them first. Accumulators of several shards may be added.
    pub(crate) fn accumulator_len(&self) -> usize {
        self.algorithm.accumulator_len()
    }

    /// Prepares a weight `[out, in / groups, kernel rows, kernel columns]` for [`ConvKernel::forward`].
    pub(crate) fn pack(&self, weight: &[f32], packed: &mut [f32]) {
        assert_eq!(weight.len(), self.shape.weight_len(), "length of the weight");
        assert!(packed.len() >= self.packed_len(), "length of the packed weight");
        self.algorithm.pack(weight, packed);
    }

    /// Prepares the same weight for [`ConvKernel::data_gradient`].
    pub(crate) fn pack_transposed(&self, weight: &[f32], packed: &mut [f32]) {
        assert_eq!(weight.len(), self.shape.weight_len(), "length of the weight");
        assert!(packed.len() >= self.packed_transposed_len(), "length of the packed weight");
        self.algorithm.pack_transposed(weight, packed);
    }

    /// Convolves `images` images, in [`ConvKernel::input_layout`], into a dense `output`
    /// `[images, out_height, out_width, round_up(out_channels)]`.
    pub(crate) fn forward(
        &self,
        input: &[f32],
        images: usize,
        packed: &[f32],
        scratch: &mut [f32],
        output: &mut [f32],
    ) {
        assert!(input.len() >= self.input_layout().block_len(images), "length of the input");
        assert!(packed.len() >= self.packed_len(), "length of the packed weight");
        assert!(scratch.len() >= self.scratch_len(), "length of the scratch memory");
        assert!(output.len() >= images * self.shape.output_len(), "length of the output");
        self.algorithm.forward(input, images, packed, scratch, output);
    }

    /// The gradient of the input, dense `[images, in_height, in_width, round_up(in_channels)]`, from that of the
    /// output `dy`, in [`ConvKernel::gradient_layout`].
    pub(crate) fn data_gradient(
        &self,
        dy: &[f32],
        images: usize,
        packed_transposed: &[f32],
        scratch: &mut [f32],
        dx: &mut [f32],
    ) {
        assert!(dy.len() >= self.gradient_layout().block_len(images), "length of the output's gradient");
        assert!(packed_transposed.len() >= self.packed_transposed_len(), "length of the packed weight");
        assert!(scratch.len() >= self.scratch_len(), "length of the scratch memory");
        assert!(dx.len() >= images * self.shape.input_len(), "length of the input's gradient");
        self.algorithm.data_gradient(dy, images, packed_transposed, scratch, dx);
    }

    /// Adds the gradient of the weight over `images` images to `accumulator`, in the algorithm's own domain.
    pub(crate) fn weight_gradient(
        &self,
        input: &[f32],
        dy: &[f32],
        images: usize,
        scratch: &mut [f32],
        accumulator: &mut [f32],
    ) {
        assert!(input.len() >= self.input_layout().block_len(images), "length of the input");
        assert!(dy.len() >= self.gradient_layout().block_len(images), "length of the output's gradient");
        assert!(scratch.len() >= self.scratch_len(), "length of the scratch memory");
        assert!(accumulator.len() >= self.accumulator_len(), "length of the accumulator");
        self.algorithm.weight_gradient(input, dy, images, scratch, accumulator);
    }

    /// Turns an accumulator into the gradient `[out, in / groups, kernel rows, kernel columns]`, overwriting it.
    pub(crate) fn finish_weight_gradient(&self, accumulator: &[f32], gradient: &mut [f32]) {
        assert!(accumulator.len() >= self.accumulator_len(), "length of the accumulator");
        assert_eq!(gradient.len(), self.shape.weight_len(), "length of the gradient");
        self.algorithm.finish_weight_gradient(accumulator, gradient);
    }
}
