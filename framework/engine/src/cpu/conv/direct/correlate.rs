use super::{
    geometry::Pass,
    panels::{Panel, Panels, Run},
};
use crate::cpu::conv::Halo;
use crate::cpu::simd::{Kernel, LANES, Simd, Vector};

/// One pass: target pixels as sums over taps and source channels.
///
/// A block of neighbouring target pixels and one panel of channels is summed in registers: each weight vector that is
/// loaded serves all pixels of the block, each source value all vectors of the panel.
pub(super) struct Correlate<'a> {
    pub(super) pass: &'a Pass,
    pub(super) panels: &'a Panels,
    pub(super) images: usize,
    pub(super) source: &'a [f32],
    pub(super) source_layout: &'a Halo,
    pub(super) weights: &'a [f32],
    pub(super) target: &'a mut [f32],
    /// Rows, columns and channels (padded) of a target image.
    pub(super) target_extent: [usize; 3],
}

/// Values from a pixel, row or image to the next.
#[derive(Clone, Copy)]
struct Pitch {
    pixel: usize,
    row: usize,
    image: usize,
}

/// Pixels to compute.
#[derive(Clone, Copy)]
struct Grid {
    images: usize,
    rows: usize,
    columns: usize,
    source: Pitch,
    target: Pitch,
}

impl Grid {
    /// Rows or images that follow each other without a gap on both sides are one long row: the last block of a row is
    /// then rarely short.
    fn joined(mut self) -> Self {
        let follows = |pitch: Pitch, columns: usize, next: usize| pitch.pixel * columns == next;
        if follows(self.source, self.columns, self.source.row)
            && follows(self.target, self.columns, self.target.row)
        {
            self.columns *= self.rows;
            self.rows = 1;
            if follows(self.source, self.columns, self.source.image)
                && follows(self.target, self.columns, self.target.image)
            {
                self.columns *= self.images;
                self.images = 1;
            }
        }
        self
    }
}

impl Kernel for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let [_, width, channels] = self.target_extent;
        let (pass, layout) = (self.pass, self.source_layout);
        let grid = Grid {
            images: self.images,
            rows: pass.count[0],
            columns: pass.count[1],
            source: Pitch {
                pixel: pass.source_step[1] * layout.channels,
                row: pass.source_step[0] * layout.row_len(),
                image: layout.image_len(),
            },
            target: Pitch {
                pixel: pass.step[1] * channels,
                row: pass.step[0] * width * channels,
                image: self.target_extent.iter().product(),
            },
        }
        .joined();
        let first = (pass.first[0] * width + pass.first[1]) * channels;
        for panel in &self.panels.list {
            let source = self.source[panel.channel..].as_ptr();
            let weights = self.weights[panel.weights..].as_ptr();
            let target = self.target[first + panel.lane..].as_mut_ptr();
            // SAFETY: the layouts hold every pixel that the taps reach, and `ConvKernel` checked the buffers' lengths.
            unsafe { by_panel(simd, panel, &grid, &self.panels.runs, source, weights, target) }
        }
    }
}

#[inline(always)]
unsafe fn by_panel<S: Simd>(
    simd: S,
    panel: &Panel,
    grid: &Grid,
    runs: &[Run],
    source: *const f32,
    weights: *const f32,
    target: *mut f32,
) {
    // SAFETY: as the caller's.
    unsafe {
        if panel.width == 2 && S::REGISTERS >= 16 {
            by_block::<S, 2>(simd, grid, runs, source, weights, target);
        } else {
            by_block::<S, 1>(simd, grid, runs, source, weights, target);
        }
    }
}

/// Chooses the number of pixels in a block: as many as registers allow, and such that blocks are about equal.
#[inline(always)]
unsafe fn by_block<S: Simd, const W: usize>(
    simd: S,
    grid: &Grid,
    runs: &[Run],
    source: *const f32,
    weights: *const f32,
    target: *mut f32,
) {
    // One register holds a source value, W the weights.
    let most = ((S::REGISTERS - 1 - W) / W).min(14);
    let pixels = grid.columns.div_ceil(grid.columns.div_ceil(most));
    macro_rules! choose {
        ($($count:literal)*) => {
            match pixels {
                $($count if W * $count + W < S::REGISTERS => {
                    // SAFETY: as the caller's.
                    unsafe { Blocks::<S, W, $count> { simd, grid, runs, source, weights, target }.run() }
                })*
                _ => unreachable!("a block has at most {most} pixels"),
            }
        };
    }
    choose!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

struct Blocks<'a, S, const W: usize, const P: usize> {
    simd: S,
    grid: &'a Grid,
    runs: &'a [Run],
    source: *const f32,
    weights: *const f32,
    target: *mut f32,
}

impl<S: Simd, const W: usize, const P: usize> Blocks<'_, S, W, P> {
    #[inline(always)]
    unsafe fn run(self) {
        let grid = self.grid;
        for image in 0..grid.images {
            for row in 0..grid.rows {
                let mut column = 0;
                while column < grid.columns {
                    // The last block overlaps the one before it instead of being short.
                    column = column.min(grid.columns - P);
                    let place = |pitch: Pitch| image * pitch.image + row * pitch.row + column * pitch.pixel;
                    // SAFETY: P pixels from here on are inside the grid.
                    unsafe {
                        self.block(self.source.add(place(grid.source)), self.target.add(place(grid.target)))
                    }
                    column += P;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn block(&self, base: *const f32, target: *mut f32) {
        let (source_pixel, target_pixel) = (self.grid.source.pixel, self.grid.target.pixel);
        let mut sums = [[self.simd.zero(); P]; W];
        let mut weight = self.weights;
        // SAFETY: runs stay inside the source for every pixel of the grid, and the weights have a vector for each value.
        unsafe {
            for run in self.runs {
                let mut source = base.add(run.offset);
                for _ in 0..run.length {
                    let mut weights = [self.simd.zero(); W];
                    for (vector, weights) in weights.iter_mut().enumerate() {
                        *weights = self.simd.load_from(weight.add(vector * LANES));
                    }
                    for pixel in 0..P {
                        let value = self.simd.splat(*source.add(pixel * source_pixel));
                        for vector in 0..W {
                            sums[vector][pixel] = value.mul_add(weights[vector], sums[vector][pixel]);
                        }
                    }
                    source = source.add(1);
                    weight = weight.add(W * LANES);
                }
            }
            for (vector, sums) in sums.iter().enumerate() {
                for (pixel, sum) in sums.iter().enumerate() {
                    sum.store_to(target.add(pixel * target_pixel + vector * LANES));
                }
            }
        }
    }
}
