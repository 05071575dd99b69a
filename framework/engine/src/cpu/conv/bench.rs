use super::{ConvKernel, ConvShape};
use crate::cpu::measure::{best_seconds, noise};
use crate::cpu::memory::Buffer;
use crate::cpu::simd::{InstructionSet, Kernel, LANES, Simd, UnavailableInstructionSet, Vector};

/// Speed of a convolution on one thread, its operands in the second-level cache as the executor provides them.
#[derive(Clone, Debug)]
pub struct ConvSpeed {
    /// The algorithm that was chosen.
    pub algorithm: &'static str,
    /// Multiply-adds of one pass over all images, as the direct algorithm has them.
    pub multiply_adds: usize,
    /// Multiply-adds of the algorithm itself, its transforms left out: for Winograd's F(4x4, 3x3) 36 for every tile of 16
    /// outputs and pair of channels.
    pub own_multiply_adds: usize,
    /// Bytes of the two feature maps and the weight of a pass, each counted once.
    pub bytes: usize,
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
            own_multiply_adds: images * kernel.multiply_adds(),
            bytes: size_of::<f32>()
                * (images * (shape.input_len() + shape.output_len()) + shape.weight_len()),
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
