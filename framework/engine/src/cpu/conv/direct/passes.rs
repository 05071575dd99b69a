use super::panels::Panels;
use crate::cpu::conv::Halo;
use crate::cpu::conv::geometry::Pass;
use crate::cpu::conv::product::{Grid, Outer, Pitch, Product, Repeat};
use crate::cpu::simd::{Kernel, Simd};

/// One pass of a forward convolution or a data gradient: target pixels as sums over taps and source channels.
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

impl Kernel for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (grid, first) = self.pass.onto(self.images, self.source_layout, self.target_extent);
        let grid = grid.joined();
        let (repeats, runs) = ([Repeat::ONCE; 2], &self.panels.runs);
        for panel in &self.panels.list {
            let source = self.source[panel.channel..].as_ptr();
            let weights = self.weights[panel.weights..].as_ptr();
            let target = self.target[first + panel.lane..].as_mut_ptr();
            // SAFETY: the layouts hold every pixel that the taps reach, and `ConvKernel` checked the buffers' lengths.
            unsafe {
                match panel.width {
                    1 => Product::<1> { repeats, grid, runs, source, weights, target }.write(simd),
                    _ => Product::<2> { repeats, grid, runs, source, weights, target }.write(simd),
                }
            }
        }
    }
}

/// The gradient of a weight: sums over pixels of outer products of source values with vectors of the output's gradient,
/// in the layout of the forward pass's packed weights.
pub(super) struct Accumulate<'a> {
    pub(super) pass: &'a Pass,
    pub(super) panels: &'a Panels,
    pub(super) images: usize,
    pub(super) source: &'a [f32],
    pub(super) source_layout: &'a Halo,
    pub(super) gradient: &'a [f32],
    pub(super) gradient_layout: &'a Halo,
    pub(super) accumulator: &'a mut [f32],
}

impl Kernel for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        /// Pixels whose operands fit the first-level cache, so that one strip of rows serves all sums.
        const STRIP: usize = 64;
        /// Sums that do not fit the second-level cache are visited once a block instead of once a strip.
        const MOST_SUMS: usize = 128 * 1024;
        let pass = self.pass;
        let [all_rows, columns] = pass.count;
        let source_pitch = pass.source_pitch(self.source_layout);
        let (images, rows) = if self.panels.packed_len > MOST_SUMS {
            (self.images, all_rows)
        } else {
            (1, (STRIP / columns).clamp(1, all_rows))
        };
        for image in (0..self.images).step_by(images) {
            for row in (0..all_rows).step_by(rows) {
                let grid = Grid {
                    images,
                    rows: rows.min(all_rows - row),
                    columns,
                    source: source_pitch,
                    target: Pitch {
                        pixel: self.gradient_layout.channels,
                        row: self.gradient_layout.row_len(),
                        image: self.gradient_layout.image_len(),
                    },
                }
                .joined();
                let source = &self.source[image * source_pitch.image + row * source_pitch.row..];
                let vectors = &self.gradient[self.gradient_layout.offset(image, row, 0)..];
                let (repeats, runs) = ([Repeat::ONCE; 2], &self.panels.runs);
                for panel in &self.panels.list {
                    let source = source[panel.channel..].as_ptr();
                    let vectors = vectors[panel.lane..].as_ptr();
                    let sums = self.accumulator[panel.weights..].as_mut_ptr();
                    // SAFETY: the layouts hold every pixel of the strip, and `ConvKernel` checked the buffers' lengths.
                    unsafe {
                        match panel.width {
                            1 => Outer::<1> { repeats, grid, runs, source, vectors, sums }.add(simd),
                            _ => Outer::<2> { repeats, grid, runs, source, vectors, sums }.add(simd),
                        }
                    }
                }
            }
        }
    }
}
