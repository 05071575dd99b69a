//! Grouped convolution with as many outputs as inputs in a group: 1, 2, 4 or 8, such as the 3x3 of ResNeXt.
//!
//! A vector of sixteen output channels sees exactly the vector of the same input channels. Each of the group's members
//! is spread over its group's lanes by a permutation and multiplied by one weight vector: no multiplication is lost to
//! other groups, where the direct algorithm would lose 15 of 16 to 1 of 2.

use super::algorithm::{Algorithm, images_in_cache};
use super::geometry::{self, Pass};
use super::product::Grid;
use super::{ConvShape, Halo};
use crate::cpu::simd::{Dispatch, Kernel, LANES, Simd, Vector, round_up};
use std::ops::Range;

/// The algorithm for narrow groups.
#[derive(Debug)]
pub(super) struct Grouped {
    shape: ConvShape,
    dispatch: Dispatch,
    input: Halo,
    gradient: Halo,
    forward: Pass,
    /// One for each phase of the stride.
    backward: Vec<Pass>,
}

impl Grouped {
    /// Whether it can compute a shape.
    pub(super) fn suits(shape: &ConvShape) -> bool {
        let width = shape.group_inputs();
        shape.in_channels >= LANES && width == shape.group_outputs() && [1, 2, 4, 8].contains(&width)
    }

    /// Plans a convolution that it suits.
    pub(super) fn new(shape: &ConvShape, dispatch: Dispatch) -> Self {
        let gradient = geometry::gradient_layout(shape);
        Self {
            shape: shape.clone(),
            dispatch,
            input: geometry::input_layout(shape),
            gradient,
            forward: Pass::forward(shape),
            backward: Pass::data_gradient(shape, &gradient),
        }
    }

    /// Weights of one vector of target channels and one tap: `[member of the group][lane]`.
    fn tap_len(&self) -> usize {
        self.shape.group_inputs() * LANES
    }

    fn vectors(&self) -> usize {
        self.shape.in_channels.div_ceil(LANES)
    }

    /// Values of a pass's weights: `[vector][tap][member][lane]`.
    fn pass_len(&self, pass: &Pass) -> usize {
        self.vectors() * pass.taps.len() * self.tap_len()
    }

    /// Calls `visit(packed index, weight index)` for every weight of a pass; a transposed one has inputs as targets.
    fn for_each_weight(&self, pass: &Pass, transposed: bool, mut visit: impl FnMut(usize, usize)) {
        let (width, kernel) = (self.shape.group_inputs(), self.shape.kernel);
        let mut packed = 0;
        for vector in 0..self.vectors() {
            for tap in &pass.taps {
                for member in 0..width {
                    for target in vector * LANES..(vector + 1) * LANES {
                        let source = target / width * width + member;
                        let (output, input) = if transposed { (source, target) } else { (target, source) };
                        if target < self.shape.in_channels {
                            let pair = output * width + input % width;
                            visit(packed, (pair * kernel[0] + tap.kernel[0]) * kernel[1] + tap.kernel[1]);
                        }
                        packed += 1;
                    }
                }
            }
        }
    }

    fn correlate(&self, operands: Operands<'_>, weights: &[f32], target: &mut [f32], extent: [usize; 3]) {
        match self.shape.group_inputs() {
            1 => self.dispatch.run(Correlate::<1> { operands, weights, target, extent }),
            2 => self.dispatch.run(Correlate::<2> { operands, weights, target, extent }),
            4 => self.dispatch.run(Correlate::<4> { operands, weights, target, extent }),
            _ => self.dispatch.run(Correlate::<8> { operands, weights, target, extent }),
        }
    }
}

impl Algorithm for Grouped {
    fn name(&self) -> &'static str {
        "grouped"
    }

    fn images_per_block(&self) -> usize {
        images_in_cache(&self.shape)
    }

    fn input_layout(&self) -> Halo {
        self.input
    }

    fn gradient_layout(&self) -> Halo {
        self.gradient
    }

    fn scratch_len(&self) -> usize {
        0
    }

    fn packed_len(&self) -> usize {
        self.pass_len(&self.forward)
    }

    fn packed_transposed_len(&self) -> usize {
        self.backward.iter().map(|pass| self.pass_len(pass)).sum()
    }

    fn accumulator_len(&self) -> usize {
        self.packed_len()
    }

    fn pack(&self, weight: &[f32], packed: &mut [f32]) {
        packed[..self.packed_len()].fill(0.0);
        self.for_each_weight(&self.forward, false, |to, from| packed[to] = weight[from]);
    }

    fn pack_transposed(&self, weight: &[f32], mut packed: &mut [f32]) {
        for pass in &self.backward {
            let (whole, rest) = packed.split_at_mut(self.pass_len(pass));
            whole.fill(0.0);
            self.for_each_weight(pass, true, |to, from| whole[to] = weight[from]);
            packed = rest;
        }
    }

    fn forward(&self, input: &[f32], images: usize, packed: &[f32], _: &mut [f32], output: &mut [f32]) {
        let operands = Operands { pass: &self.forward, images, source: input, layout: &self.input };
        let shape = &self.shape;
        let extent = [shape.out_height, shape.out_width, round_up(shape.out_channels)];
        self.correlate(operands, packed, output, extent);
    }

    fn data_gradient(&self, dy: &[f32], images: usize, mut packed: &[f32], _: &mut [f32], dx: &mut [f32]) {
        let shape = &self.shape;
        let extent = [shape.in_height, shape.in_width, round_up(shape.in_channels)];
        for pass in &self.backward {
            let operands = Operands { pass, images, source: dy, layout: &self.gradient };
            self.correlate(operands, packed, dx, extent);
            packed = &packed[self.pass_len(pass)..];
        }
    }

    fn weight_gradient(
        &self,
        input: &[f32],
        dy: &[f32],
        images: usize,
        _: &mut [f32],
        accumulator: &mut [f32],
    ) {
        let operands = Operands { pass: &self.forward, images, source: input, layout: &self.input };
        let (gradient, layout) = (dy, &self.gradient);
        match self.shape.group_inputs() {
            1 => self.dispatch.run(Accumulate::<1> { operands, gradient, layout, sums: accumulator }),
            2 => self.dispatch.run(Accumulate::<2> { operands, gradient, layout, sums: accumulator }),
            4 => self.dispatch.run(Accumulate::<4> { operands, gradient, layout, sums: accumulator }),
            _ => self.dispatch.run(Accumulate::<8> { operands, gradient, layout, sums: accumulator }),
        }
    }

    fn finish_weight_gradient(&self, accumulator: &[f32], gradient: &mut [f32]) {
        self.for_each_weight(&self.forward, false, |from, to| gradient[to] = accumulator[from]);
    }
}

/// A pass and the map that it reads.
struct Operands<'a> {
    pass: &'a Pass,
    images: usize,
    source: &'a [f32],
    layout: &'a Halo,
}

#[inline(always)]
fn spreads<S: Simd, const G: usize>(simd: S) -> [S::Permutation; G] {
    let mut spreads = [simd.member_of_group(G, 0); G];
    for (member, spread) in spreads.iter_mut().enumerate() {
        *spread = simd.member_of_group(G, member);
    }
    spreads
}

/// Target pixels as sums over taps and members of groups of `G`.
struct Correlate<'a, const G: usize> {
    operands: Operands<'a>,
    weights: &'a [f32],
    target: &'a mut [f32],
    /// Rows, columns and channels of a target image.
    extent: [usize; 3],
}

impl<const G: usize> Kernel for Correlate<'_, G> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (grid, first) = self.operands.pass.onto(self.operands.images, self.operands.layout, self.extent);
        // Few more sums than the latency of two multiply-add units needs, or what the registers hold.
        let most = if S::REGISTERS >= 32 { 8 } else { 4 };
        let pixels = grid.columns.div_ceil(grid.columns.div_ceil(most));
        macro_rules! choose {
            ($($count:literal)*) => {
                match pixels {
                    $($count if $count <= most => self.in_blocks::<S, $count>(simd, &grid, first),)*
                    _ => unreachable!("a block has at most {most} pixels"),
                }
            };
        }
        choose!(1 2 3 4 5 6 7 8);
    }
}

impl<const G: usize> Correlate<'_, G> {
    #[inline(always)]
    fn in_blocks<S: Simd, const P: usize>(self, simd: S, grid: &Grid, first: usize) {
        let spreads = spreads::<S, G>(simd);
        let weights_len = self.operands.pass.taps.len() * G * LANES;
        for vector in 0..self.extent[2] / LANES {
            let weights = &self.weights[vector * weights_len..][..weights_len];
            for image in 0..grid.images {
                for row in 0..grid.rows {
                    let mut column = 0;
                    while column < grid.columns {
                        // The last block overlaps the one before it instead of being short.
                        column = column.min(grid.columns - P);
                        let source = vector * LANES + grid.source.place(image, row, column);
                        let target = first + vector * LANES + grid.target.place(image, row, column);
                        // SAFETY: the layouts hold what the taps of P pixels inside the grid reach; `ConvKernel` checked
                        // the buffers' lengths.
                        unsafe {
                            let source = self.operands.source[source..].as_ptr();
                            let target = self.target[target..].as_mut_ptr();
                            self.block::<S, P>(simd, &spreads, grid, source, weights.as_ptr(), target);
                        }
                        column += P;
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn block<S: Simd, const P: usize>(
        &self,
        simd: S,
        spreads: &[S::Permutation; G],
        grid: &Grid,
        source: *const f32,
        mut weight: *const f32,
        target: *mut f32,
    ) {
        let mut sums = [simd.zero(); P];
        // SAFETY: the caller vouches for all taps of P pixels, and for G weight vectors a tap.
        unsafe {
            for tap in &self.operands.pass.taps {
                let source = source.add(Pass::offset(tap, self.operands.layout));
                let mut weights = [simd.zero(); G];
                for (member, weights) in weights.iter_mut().enumerate() {
                    *weights = simd.load_from(weight.add(member * LANES));
                }
                for (pixel, sum) in sums.iter_mut().enumerate() {
                    let values = simd.load_from(source.add(pixel * grid.source.pixel));
                    for member in 0..G {
                        *sum = simd.permute(values, spreads[member]).mul_add(weights[member], *sum);
                    }
                }
                weight = weight.add(G * LANES);
            }
            for (pixel, sum) in sums.iter().enumerate() {
                sum.store_to(target.add(pixel * grid.target.pixel));
            }
        }
    }
}

/// The gradient of the weight: sums over pixels of spread inputs times output gradients.
struct Accumulate<'a, const G: usize> {
    operands: Operands<'a>,
    gradient: &'a [f32],
    layout: &'a Halo,
    sums: &'a mut [f32],
}

impl<const G: usize> Kernel for Accumulate<'_, G> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        /// Pixels whose operands of one vector fit the first-level cache, so that one strip of rows serves all taps.
        const STRIP: usize = 128;
        let Self { operands, gradient, layout, sums } = self;
        let Pass { taps, count: [all_rows, columns], .. } = operands.pass;
        let rows = (STRIP / columns).clamp(1, *all_rows);
        // Three taps at a time have enough independent sums for two multiply-add units, where they fit the registers.
        let together = if 3 * G <= S::REGISTERS / 2 { 3 } else { 1 };
        for vector in 0..layout.channels / LANES {
            let sums = &mut sums[vector * taps.len() * G * LANES..][..taps.len() * G * LANES];
            for image in 0..operands.images {
                for row in (0..*all_rows).step_by(rows) {
                    let mut sums = sums.as_mut_ptr();
                    let mut taps = taps.as_slice();
                    while !taps.is_empty() {
                        let count = if taps.len() < together { 1 } else { together };
                        let mut sources = [0; 3];
                        for (source, tap) in sources.iter_mut().zip(&taps[..count]) {
                            *source = vector * LANES + Pass::offset(tap, operands.layout);
                        }
                        let rows = row..(row + rows).min(*all_rows);
                        let part =
                            Part { operands: &operands, gradient, layout, vector, image, rows, sources };
                        // SAFETY: there are G vectors of sums for each tap.
                        unsafe {
                            match count {
                                1 => part.add::<S, G, 1>(simd, sums),
                                _ => part.add::<S, G, 3>(simd, sums),
                            }
                            sums = sums.add(count * G * LANES);
                        }
                        taps = &taps[count..];
                    }
                }
            }
        }
    }
}

/// Some taps of one vector of channels, over some rows.
struct Part<'a> {
    operands: &'a Operands<'a>,
    gradient: &'a [f32],
    layout: &'a Halo,
    vector: usize,
    image: usize,
    rows: Range<usize>,
    /// Where each tap's operand of the first pixel lies.
    sources: [usize; 3],
}

impl Part<'_> {
    /// Adds to `[tap][member]` vectors of sums.
    #[inline(always)]
    unsafe fn add<S: Simd, const G: usize, const T: usize>(&self, simd: S, target: *mut f32) {
        let spreads = spreads::<S, G>(simd);
        let pass = self.operands.pass;
        let pitch = pass.source_pitch(self.operands.layout);
        let mut sums = [[simd.zero(); G]; T];
        // SAFETY: the caller vouches for the sums; the layouts hold what the taps of the pass's pixels reach, and
        // `ConvKernel` checked the buffers' lengths.
        unsafe {
            for (tap, sums) in sums.iter_mut().enumerate() {
                for (member, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.load_from(target.add((tap * G + member) * LANES));
                }
            }
            for row in self.rows.clone() {
                let gradient = self.layout.offset(self.image, row, 0) + self.vector * LANES;
                let mut gradient = self.gradient[gradient..].as_ptr();
                let mut sources = [gradient; T];
                for (source, first) in sources.iter_mut().zip(self.sources) {
                    *source = self.operands.source[first + pitch.place(self.image, row, 0)..].as_ptr();
                }
                for _ in 0..pass.count[1] {
                    let factor = simd.load_from(gradient);
                    for (source, sums) in sources.iter_mut().zip(&mut sums) {
                        let values = simd.load_from(*source);
                        for (sum, spread) in sums.iter_mut().zip(spreads) {
                            *sum = simd.permute(values, spread).mul_add(factor, *sum);
                        }
                        *source = source.add(pitch.pixel);
                    }
                    gradient = gradient.add(self.layout.channels);
                }
            }
            for (tap, sums) in sums.iter().enumerate() {
                for (member, sum) in sums.iter().enumerate() {
                    sum.store_to(target.add((tap * G + member) * LANES));
                }
            }
        }
    }
}
