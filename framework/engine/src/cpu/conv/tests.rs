//! Every algorithm and instruction set against plain loops in double precision.

use super::{ConvKernel, ConvShape, Halo};
use crate::cpu::simd::{InstructionSet, round_up};
use proptest::prelude::*;

/// Reproducible values, uniform in [-0.5, 0.5).
fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn shape(
    [in_height, in_width, in_channels]: [usize; 3],
    out_channels: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    groups: usize,
) -> ConvShape {
    ConvShape {
        in_height,
        in_width,
        in_channels,
        out_height: (in_height + 2 * padding[0] - kernel[0]) / stride[0] + 1,
        out_width: (in_width + 2 * padding[1] - kernel[1]) / stride[1] + 1,
        out_channels,
        kernel,
        stride,
        padding,
        groups,
    }
}

/// Dense `[images, height, width, channels]` operands and results, channels not padded.
struct Reference {
    input: Vec<f32>,
    weight: Vec<f32>,
    dy: Vec<f32>,
    output: Sums,
    dx: Sums,
    dw: Sums,
}

/// Sums of products.
struct Sums {
    values: Vec<f64>,
    /// Of the products' magnitudes: what rounding errors are proportional to, whatever cancels.
    magnitudes: Vec<f64>,
}

impl Sums {
    fn zero(len: usize) -> Self {
        Self { values: vec![0.0; len], magnitudes: vec![0.0; len] }
    }

    fn add(&mut self, index: usize, a: f32, b: f32) {
        let product = f64::from(a) * f64::from(b);
        self.values[index] += product;
        self.magnitudes[index] += product.abs();
    }

    /// Largest difference over largest sum of magnitudes; what is found is padded with zeros.
    fn error(&self, found: &[f32], channels: usize, padded: usize) -> f64 {
        let mut difference = 0.0_f64;
        for (found, expected) in found.chunks_exact(padded).zip(self.values.chunks_exact(channels)) {
            let (found, padding) = found.split_at(channels);
            assert!(padding.iter().all(|&value| value == 0.0), "padding is not zero: {padding:?}");
            for (&found, &expected) in found.iter().zip(expected) {
                assert!(found.is_finite(), "{found} where {expected} was expected");
                difference = difference.max((f64::from(found) - expected).abs());
            }
        }
        difference / self.magnitudes.iter().fold(f64::MIN_POSITIVE, |a, &b| a.max(b))
    }
}

fn reference(shape: &ConvShape, images: usize, seed: u64) -> Reference {
    let s = shape;
    let input = values(images * s.in_height * s.in_width * s.in_channels, seed);
    let weight = values(s.weight_len(), seed + 1);
    let dy = values(images * s.out_height * s.out_width * s.out_channels, seed + 2);
    let (mut output, mut dx, mut dw) =
        (Sums::zero(dy.len()), Sums::zero(input.len()), Sums::zero(weight.len()));
    for image in 0..images {
        for (y, x) in (0..s.out_height).flat_map(|y| (0..s.out_width).map(move |x| (y, x))) {
            for out in 0..s.out_channels {
                let o = ((image * s.out_height + y) * s.out_width + x) * s.out_channels + out;
                for (ky, kx) in (0..s.kernel[0]).flat_map(|y| (0..s.kernel[1]).map(move |x| (y, x))) {
                    let (row, column) = (y * s.stride[0] + ky, x * s.stride[1] + kx);
                    let (Some(row), Some(column)) =
                        (row.checked_sub(s.padding[0]), column.checked_sub(s.padding[1]))
                    else {
                        continue;
                    };
                    if row >= s.in_height || column >= s.in_width {
                        continue;
                    }
                    for within in 0..s.group_inputs() {
                        let channel = out / s.group_outputs() * s.group_inputs() + within;
                        let i = ((image * s.in_height + row) * s.in_width + column) * s.in_channels + channel;
                        let w = ((out * s.group_inputs() + within) * s.kernel[0] + ky) * s.kernel[1] + kx;
                        output.add(o, input[i], weight[w]);
                        dx.add(i, dy[o], weight[w]);
                        dw.add(w, dy[o], input[i]);
                    }
                }
            }
        }
    }
    Reference { input, weight, dy, output, dx, dw }
}

/// Puts a dense map into scratch form; what kernels must not depend on is not a number.
fn in_halo(dense: &[f32], layout: &Halo, images: usize, [height, width, channels]: [usize; 3]) -> Vec<f32> {
    let mut scratch = vec![0.0; layout.block_len(images)];
    scratch[images * layout.image_len()..].fill(f32::NAN);
    for (pixel, values) in dense.chunks_exact(channels).enumerate() {
        let (image, row, column) = (pixel / (height * width), pixel / width % height, pixel % width);
        scratch[layout.offset(image, row, column)..][..channels].copy_from_slice(values);
    }
    scratch
}

/// Holds all passes of one kernel against the reference; `images` may exceed a block.
fn check(shape: &ConvShape, images: usize, winograd: bool, bound: f64) {
    let expected = reference(shape, images, 7);
    for dispatch in InstructionSet::ALL.into_iter().filter_map(|set| set.dispatch().ok()) {
        let kernel = ConvKernel::choose(shape.clone(), dispatch, winograd);
        let what = format!("{} on {dispatch:?} for {images} images of {shape:?}", kernel.name());
        let (inside, outside) = (kernel.input_layout(), kernel.gradient_layout());
        let mut packed = vec![f32::NAN; kernel.packed_len()];
        let mut transposed = vec![f32::NAN; kernel.packed_transposed_len()];
        kernel.pack(&expected.weight, &mut packed);
        kernel.pack_transposed(&expected.weight, &mut transposed);
        let mut output = vec![f32::NAN; images * shape.output_len()];
        let mut dx = vec![f32::NAN; images * shape.input_len()];
        let mut accumulator = vec![0.0; kernel.accumulator_len()];
        let input_size = shape.in_height * shape.in_width * shape.in_channels;
        let output_size = shape.out_height * shape.out_width * shape.out_channels;
        let mut begin = 0;
        while begin < images {
            let count = kernel.images_per_block().min(images - begin);
            let block = begin..begin + count;
            let input = in_halo(
                &expected.input[begin * input_size..block.end * input_size],
                &inside,
                count,
                [shape.in_height, shape.in_width, shape.in_channels],
            );
            let dy = in_halo(
                &expected.dy[begin * output_size..block.end * output_size],
                &outside,
                count,
                [shape.out_height, shape.out_width, shape.out_channels],
            );
            let mut scratch = vec![f32::NAN; kernel.scratch_len()];
            let rows = begin * shape.output_len()..block.end * shape.output_len();
            kernel.forward(&input, count, &packed, &mut scratch, &mut output[rows]);
            scratch.fill(f32::NAN);
            let rows = begin * shape.input_len()..block.end * shape.input_len();
            kernel.data_gradient(&dy, count, &transposed, &mut scratch, &mut dx[rows]);
            scratch.fill(f32::NAN);
            kernel.weight_gradient(&input, &dy, count, &mut scratch, &mut accumulator);
            begin = block.end;
        }
        let mut dw = vec![f32::NAN; shape.weight_len()];
        kernel.finish_weight_gradient(&accumulator, &mut dw);
        let errors = [
            expected.output.error(&output, shape.out_channels, round_up(shape.out_channels)),
            expected.dx.error(&dx, shape.in_channels, round_up(shape.in_channels)),
            expected.dw.error(&dw, 1, 1),
        ];
        assert!(errors.iter().all(|&error| error <= bound), "{what}: errors {errors:?} exceed {bound}");
    }
}

/// Bound of the algorithms that only reorder sums; the worst of 400 cases of each test was 2.1e-7.
const DIRECT: f64 = 1e-6;

/// Bound of Winograd's algorithm, whose transforms add and subtract numbers larger than the result; the worst of 400
/// cases was 2.0e-6.
const WINOGRAD: f64 = 8e-6;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_convolution_is_right(
        extent in [1_usize..10, 1_usize..18],
        (group_in, group_out, groups) in (1_usize..24, 1_usize..40, 1_usize..5),
        kernel in [1_usize..5, 1_usize..5],
        stride in [1_usize..4, 1_usize..4],
        padding in [0_usize..3, 0_usize..3],
        images in 1_usize..4,
    ) {
        prop_assume!((0..2).all(|axis| extent[axis] + 2 * padding[axis] >= kernel[axis]));
        let input = [extent[0], extent[1], group_in * groups];
        check(&shape(input, group_out * groups, kernel, stride, padding, groups), images, false, DIRECT);
    }

    #[test]
    fn any_narrow_grouped_convolution_is_right(
        extent in [1_usize..6, 1_usize..18],
        (log_width, groups) in (0_u32..4, 2_usize..20),
        kernel in [1_usize..4, 1_usize..4],
        stride in [1_usize..3, 1_usize..3],
        images in 1_usize..3,
    ) {
        let channels = 2_usize.pow(log_width) * groups;
        let input = [extent[0], extent[1], channels];
        check(&shape(input, channels, kernel, stride, [1; 2], groups), images, false, DIRECT);
    }

    #[test]
    fn any_winograd_convolution_is_right(
        extent in [1_usize..14, 1_usize..18],
        channels in [8_usize..50, 8_usize..50],
        images in 1_usize..4,
    ) {
        let shape = shape([extent[0], extent[1], channels[0]], channels[1], [3; 2], [1; 2], [1; 2], 1);
        check(&shape, images, true, WINOGRAD);
    }
}

#[test]
fn networks_shapes_are_right() {
    for (input, out, kernel, stride, padding, groups) in [
        ([32, 32, 3], 16, 3, 1, 1, 1),
        ([17, 16, 16], 32, 3, 2, 1, 1),
        ([16, 16, 32], 64, 3, 2, 1, 1),
        ([30, 31, 3], 64, 7, 2, 3, 1),
        ([7, 7, 64], 80, 1, 1, 0, 1),
        ([8, 7, 48], 96, 1, 2, 0, 1),
        ([8, 9, 64], 64, 3, 1, 1, 16),
        ([8, 9, 64], 64, 3, 2, 1, 8),
        ([5, 5, 32], 32, 3, 1, 1, 1),
    ] {
        check(&shape(input, out, [kernel; 2], [stride; 2], [padding; 2], groups), 3, false, DIRECT);
    }
}

#[test]
fn residual_networks_inner_shapes_are_right_with_winograd() {
    for (size, channels) in [(32, 16), (16, 32), (8, 64), (7, 128)] {
        check(&shape([size, size, channels], channels, [3; 2], [1; 2], [1; 2], 1), 5, true, WINOGRAD);
    }
}
