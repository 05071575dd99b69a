use super::product::{Grid, Pitch};
use super::{ConvShape, Halo};
use crate::cpu::simd::{LANES, round_up};

/// One kernel position of a pass: which weight it is, and where its operand lies from the pixel's base.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    pub(super) kernel: [usize; 2],
    /// Rows and columns in the halo'd source.
    pub(super) source: [usize; 2],
}

/// Target pixels that have the same taps: all of a forward pass, one phase of the stride of a data gradient.
///
/// Target pixel `(first + step * k)` on each axis is the sum over taps of the source at `source_step * k + tap`.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    pub(super) first: [usize; 2],
    pub(super) step: [usize; 2],
    pub(super) count: [usize; 2],
    pub(super) source_step: [usize; 2],
    pub(super) taps: Vec<Tap>,
}

/// The same on one axis: pairs of kernel index and source position.
struct Axis {
    first: usize,
    step: usize,
    count: usize,
    source_step: usize,
    taps: Vec<[usize; 2]>,
}

impl Pass {
    fn cross(rows: &Axis, columns: &Axis) -> Self {
        let mut taps = Vec::with_capacity(rows.taps.len() * columns.taps.len());
        for row in &rows.taps {
            for column in &columns.taps {
                taps.push(Tap { kernel: [row[0], column[0]], source: [row[1], column[1]] });
            }
        }
        Self {
            first: [rows.first, columns.first],
            step: [rows.step, columns.step],
            count: [rows.count, columns.count],
            source_step: [rows.source_step, columns.source_step],
            taps,
        }
    }

    /// Source values between the operands of neighbouring target pixels.
    pub(super) fn source_pitch(&self, source: &Halo) -> Pitch {
        Pitch {
            pixel: self.source_step[1] * source.channels,
            row: self.source_step[0] * source.row_len(),
            image: source.image_len(),
        }
    }

    /// The pass over dense target images of these rows, columns and channels, and where its first pixel lies.
    pub(super) fn onto(
        &self,
        images: usize,
        source: &Halo,
        [height, width, channels]: [usize; 3],
    ) -> (Grid, usize) {
        let target = Pitch {
            pixel: self.step[1] * channels,
            row: self.step[0] * width * channels,
            image: height * width * channels,
        };
        let [rows, columns] = self.count;
        let grid = Grid { images, rows, columns, source: self.source_pitch(source), target };
        (grid, (self.first[0] * width + self.first[1]) * channels)
    }

    /// Where a tap's operand lies from a target pixel's base.
    pub(super) fn offset(tap: &Tap, source: &Halo) -> usize {
        tap.source[0] * source.row_len() + tap.source[1] * source.channels
    }

    /// The one pass of a forward convolution.
    pub(super) fn forward(shape: &ConvShape) -> Self {
        let axis = |index: usize, count: usize| Axis {
            first: 0,
            step: 1,
            count,
            source_step: shape.stride[index],
            taps: (0..shape.kernel[index]).map(|k| [k, k]).collect(),
        };
        Self::cross(&axis(0, shape.out_height), &axis(1, shape.out_width))
    }

    /// The passes of a data gradient, one for each phase of the stride. An input pixel at `i` meets the output pixel at
    /// `o` through the kernel's `k` where `i + padding = stride * o + k`.
    pub(super) fn data_gradient(shape: &ConvShape, gradient: &Halo) -> Vec<Self> {
        let axis = |index: usize, phase: usize, extent: usize, origin: usize| {
            let (stride, shifted) = (shape.stride[index], phase + shape.padding[index]);
            let mut taps: Vec<[usize; 2]> = (0..shape.kernel[index])
                .filter(|k| (shifted + shape.kernel[index] * stride - k).is_multiple_of(stride))
                .map(|k| [k, (origin * stride + shifted - k) / stride])
                .collect();
            taps.sort_unstable_by_key(|tap| tap[1]);
            let count = extent.saturating_sub(phase).div_ceil(stride);
            Axis { first: phase, step: stride, count, source_step: 1, taps }
        };
        let mut passes = Vec::new();
        for row in 0..shape.stride[0] {
            for column in 0..shape.stride[1] {
                passes.push(Self::cross(
                    &axis(0, row, shape.in_height, gradient.top),
                    &axis(1, column, shape.in_width, gradient.left),
                ));
            }
        }
        passes.retain(|pass| pass.count[0] * pass.count[1] > 0);
        passes
    }
}

/// Channels of few inputs are not padded, so that a row of the kernel is one contiguous run of values.
fn input_stride(shape: &ConvShape) -> usize {
    if shape.in_channels < LANES / 2 { shape.in_channels } else { round_up(shape.in_channels) }
}

/// The input's form: padding in front, and as many rows and columns as the last output pixel reaches.
pub(super) fn input_layout(shape: &ConvShape) -> Halo {
    let extent = |index: usize, input: usize, output: usize| {
        let reached = (output - 1) * shape.stride[index] + shape.kernel[index];
        reached.max(input + shape.padding[index])
    };
    Halo {
        top: shape.padding[0],
        left: shape.padding[1],
        rows: extent(0, shape.in_height, shape.out_height),
        columns: extent(1, shape.in_width, shape.out_width),
        channels: input_stride(shape),
    }
}

/// The output gradient's form: as many zeros on both sides as input pixels at the borders look for.
pub(super) fn gradient_layout(shape: &ConvShape) -> Halo {
    let axis = |index: usize, input: usize, output: usize| {
        let (stride, padding) = (shape.stride[index], shape.padding[index]);
        let before = (shape.kernel[index] - 1).saturating_sub(padding) / stride;
        let last = (input - 1 + padding) / stride;
        (before, before + output.max(last + 1))
    };
    let (top, rows) = axis(0, shape.in_height, shape.out_height);
    let (left, columns) = axis(1, shape.in_width, shape.out_width);
    Halo { top, left, rows, columns, channels: round_up(shape.out_channels) }
}
