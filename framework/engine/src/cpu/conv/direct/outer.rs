use super::geometry::Pass;
use super::panels::{Panels, Run};
use crate::cpu::conv::Halo;
use crate::cpu::simd::{Kernel, LANES, Simd, Vector};

/// Pixels whose operands fit the first-level cache, so that one strip of them serves all sums.
const STRIP: usize = 64;

/// The gradient of a weight: sums over pixels of outer products of source values with vectors of the output's gradient,
/// in the layout of the forward pass's packed weights.
pub(super) struct Outer<'a> {
    pub(super) pass: &'a Pass,
    pub(super) panels: &'a Panels,
    pub(super) images: usize,
    pub(super) source: &'a [f32],
    pub(super) source_layout: &'a Halo,
    pub(super) gradient: &'a [f32],
    pub(super) gradient_layout: &'a Halo,
    pub(super) accumulator: &'a mut [f32],
}

/// Pixels of a strip: rows of an image.
#[derive(Clone, Copy)]
struct Strip {
    rows: usize,
    columns: usize,
    source_row: usize,
    source_pixel: usize,
    gradient_row: usize,
    gradient_pixel: usize,
}

impl Kernel for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (pass, source_layout, gradient_layout) = (self.pass, self.source_layout, self.gradient_layout);
        let rows = (STRIP / pass.count[1]).clamp(1, pass.count[0]);
        for image in 0..self.images {
            for row in (0..pass.count[0]).step_by(rows) {
                let strip = Strip {
                    rows: rows.min(pass.count[0] - row),
                    columns: pass.count[1],
                    source_row: pass.source_step[0] * source_layout.row_len(),
                    source_pixel: pass.source_step[1] * source_layout.channels,
                    gradient_row: gradient_layout.row_len(),
                    gradient_pixel: gradient_layout.channels,
                };
                let source = image * source_layout.image_len() + row * strip.source_row;
                let gradient = gradient_layout.offset(image, row, 0);
                for panel in &self.panels.list {
                    let source = self.source[source + panel.channel..].as_ptr();
                    let gradient = self.gradient[gradient + panel.lane..].as_ptr();
                    let sums = self.accumulator[panel.weights..].as_mut_ptr();
                    let runs = &self.panels.runs;
                    // SAFETY: the layouts hold every pixel of the strip, and `ConvKernel` checked the buffers' lengths.
                    unsafe {
                        if panel.width == 2 && S::REGISTERS >= 16 {
                            by_run::<S, 2>(simd, &strip, runs, source, gradient, sums);
                        } else {
                            by_run::<S, 1>(simd, &strip, runs, source, gradient, sums);
                        }
                    }
                }
            }
        }
    }
}

/// Cuts runs into as many source values as registers have sums for, in about equal parts.
#[inline(always)]
unsafe fn by_run<S: Simd, const W: usize>(
    simd: S,
    strip: &Strip,
    runs: &[Run],
    source: *const f32,
    gradient: *const f32,
    mut sums: *mut f32,
) {
    let most = ((S::REGISTERS - 1 - W) / W).min(14);
    for run in runs {
        let (mut done, mut parts) = (0, run.length.div_ceil(most));
        while parts > 0 {
            let values = (run.length - done).div_ceil(parts);
            // SAFETY: the values lie inside the run, and the accumulator has a vector for each of them.
            unsafe {
                let source = source.add(run.offset + done);
                macro_rules! choose {
                    ($($count:literal)*) => {
                        match values {
                            $($count if W * $count + W < S::REGISTERS => {
                                accumulate::<S, W, $count>(simd, strip, source, gradient, sums);
                            })*
                            _ => unreachable!("a part has at most {most} values"),
                        }
                    };
                }
                choose!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
                sums = sums.add(values * W * LANES);
            }
            done += values;
            parts -= 1;
        }
    }
}

#[inline(always)]
unsafe fn accumulate<S: Simd, const W: usize, const I: usize>(
    simd: S,
    strip: &Strip,
    source: *const f32,
    gradient: *const f32,
    target: *mut f32,
) {
    // SAFETY: the caller vouches for the strip's operands and for I times W vectors of sums.
    unsafe {
        let mut sums = [[simd.zero(); W]; I];
        for (value, sums) in sums.iter_mut().enumerate() {
            for (vector, sum) in sums.iter_mut().enumerate() {
                *sum = simd.load_from(target.add((value * W + vector) * LANES));
            }
        }
        for row in 0..strip.rows {
            let mut source = source.add(row * strip.source_row);
            let mut gradient = gradient.add(row * strip.gradient_row);
            for _ in 0..strip.columns {
                let mut factors = [simd.zero(); W];
                for (vector, factor) in factors.iter_mut().enumerate() {
                    *factor = simd.load_from(gradient.add(vector * LANES));
                }
                for (value, sums) in sums.iter_mut().enumerate() {
                    let value = simd.splat(*source.add(value));
                    for (sum, factor) in sums.iter_mut().zip(factors) {
                        *sum = value.mul_add(factor, *sum);
                    }
                }
                source = source.add(strip.source_pixel);
                gradient = gradient.add(strip.gradient_pixel);
            }
        }
        for (value, sums) in sums.iter().enumerate() {
            for (vector, sum) in sums.iter().enumerate() {
                sum.store_to(target.add((value * W + vector) * LANES));
            }
        }
    }
}
