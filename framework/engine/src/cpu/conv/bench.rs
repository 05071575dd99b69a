use super::{ConvKernel, ConvShape};
use crate::cpu::memory::Buffer;
use crate::cpu::simd::{InstructionSet, Kernel, LANES, Simd, UnavailableInstructionSet, Vector};
use std::time::Instant;

/// Speed of a convolution on one thread, its operands in the second-level cache as the executor provides them.
#[derive(Clone, Debug)]
pub struct ConvSpeed {
    /// The algorithm that was chosen.
    pub algorithm: &'static str,
    /// Multiply-adds of one pass over all images, as the direct algorithm has them.
    pub multiply_adds: usize,
    /// Seconds of the forward pass, the data gradient and the weight gradient over all images: minima.
    pub seconds: [f64; 3],
    /// Seconds of preparing the weights for the forward pass and the data gradient, and of finishing their gradient.
    pub overhead: [f64; 3],
}

impl ConvSpeed {
    /// Measures the kernels of a shape on a number of images.
    ///
    /// # Errors
    /// The processor does not have the instruction set.
    pub fn measure(
        shape: &ConvShape,
        images: usize,
        set: InstructionSet,
        winograd: bool,
    ) -> Result<Self, UnavailableInstructionSet> {
        let kernel = ConvKernel::choose(shape.clone(), set.dispatch()?, winograd);
        let block = kernel.images_per_block();
        let input = noise(kernel.input_layout().block_len(block));
        let dy = noise(kernel.gradient_layout().block_len(block));
        let weight = noise(shape.weight_len());
        let mut scratch = Buffer::zeroed(kernel.scratch_len());
        let mut packed = Buffer::zeroed(kernel.packed_len());
        let mut transposed = Buffer::zeroed(kernel.packed_transposed_len());
        let mut output = Buffer::zeroed(images * shape.output_len());
        let mut dx = Buffer::zeroed(images * shape.input_len());
        let mut accumulator = Buffer::zeroed(kernel.accumulator_len());
        let mut gradient = vec![0.0; shape.weight_len()];
        let blocks = || (0..images).step_by(block).map(|first| (first, block.min(images - first)));

        let pack = best_seconds(|| kernel.pack(&weight, &mut packed));
        let pack_transposed = best_seconds(|| kernel.pack_transposed(&weight, &mut transposed));
        let forward = best_seconds(|| {
            for (first, count) in blocks() {
                kernel.forward(
                    &input,
                    count,
                    &packed,
                    &mut scratch,
                    &mut output[first * shape.output_len()..],
                );
            }
        });
        let data = best_seconds(|| {
            for (first, count) in blocks() {
                kernel.data_gradient(
                    &dy,
                    count,
                    &transposed,
                    &mut scratch,
                    &mut dx[first * shape.input_len()..],
                );
            }
        });
        let weights = best_seconds(|| {
            for (_, count) in blocks() {
                kernel.weight_gradient(&input, &dy, count, &mut scratch, &mut accumulator);
            }
        });
        let finish = best_seconds(|| kernel.finish_weight_gradient(&accumulator, &mut gradient));
        Ok(Self {
            algorithm: kernel.name(),
            multiply_adds: images * shape.multiply_adds(),
            seconds: [forward, data, weights],
            overhead: [pack, pack_transposed, finish],
        })
    }
}

/// Floating-point operations a second that one thread reaches with nothing but multiply-adds in registers.
///
/// # Errors
/// The processor does not have the instruction set.
pub fn peak_flops(set: InstructionSet) -> Result<f64, UnavailableInstructionSet> {
    let dispatch = set.dispatch()?;
    let (operations, _) = dispatch.run(MultiplyAdds);
    let seconds = best_seconds(|| {
        std::hint::black_box(dispatch.run(MultiplyAdds));
    });
    Ok(operations as f64 / seconds)
}

const STEPS: usize = 20_000;

struct MultiplyAdds;

impl Kernel for MultiplyAdds {
    type Output = (usize, f32);

    /// Returns how many operations it did.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> (usize, f32) {
        // Enough independent sums to hide the latency of two units, few enough for the registers.
        if S::REGISTERS >= 32 { chains::<S, 12>(simd) } else { chains::<S, 6>(simd) }
    }
}

#[inline(always)]
fn chains<S: Simd, const N: usize>(simd: S) -> (usize, f32) {
    let factor = simd.splat(std::hint::black_box(0.999));
    let mut sums = [factor; N];
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = sum.mul_add(factor, factor);
        }
    }
    let mut total = simd.zero();
    for sum in sums {
        total = total + sum;
    }
    (2 * LANES * N * STEPS, total.sum())
}

/// The least time of many short repetitions.
fn best_seconds(mut run: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    let mut repeats = 0;
    while repeats < 3 || begin.elapsed().as_millis() < 200 && repeats < 1000 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
        repeats += 1;
    }
    best
}

/// Values in [-0.5, 0.5), so that no sum overflows or becomes subnormal.
fn noise(len: usize) -> Buffer {
    let mut buffer = Buffer::zeroed(len);
    let mut state = 1_u64;
    for value in &mut *buffer {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *value = (state >> 40) as f32 / (1 << 24) as f32 - 0.5;
    }
    buffer
}
