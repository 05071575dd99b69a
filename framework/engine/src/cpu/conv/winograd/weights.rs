use super::transforms::{Square, weight_gradient_kernel, weight_kernel};
use crate::cpu::conv::product::Repeat;
use crate::cpu::simd::{Kernel, LANES, Simd, round_up};

/// Where transformed weights lie: `[position][panel][source channel][vector of the panel]`, 36 positions.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightLayout {
    pub(super) sources: usize,
    pub(super) targets: usize,
    /// Vectors of a panel, except perhaps of the last.
    pub(super) width: usize,
}

impl WeightLayout {
    /// Values of one position.
    pub(super) fn position_len(&self) -> usize {
        self.sources * round_up(self.targets)
    }

    /// Values of all positions.
    pub(super) fn len(&self) -> usize {
        36 * self.position_len()
    }

    /// The panels by width: all but perhaps the last, and the last.
    pub(super) fn panel_groups(&self) -> impl Iterator<Item = PanelGroup> + use<> {
        let vectors = self.targets.div_ceil(LANES);
        let (count, rest) = (vectors / self.width, vectors % self.width);
        let whole = PanelGroup { first: 0, count, width: self.width };
        let last = PanelGroup { first: count * self.width, count: 1, width: rest };
        [whole, last].into_iter().filter(|group| group.count * group.width > 0)
    }

    /// Each vector as its panel's first, the panel's width, and itself.
    fn vectors(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let (vectors, width) = (self.targets.div_ceil(LANES), self.width);
        (0..vectors).map(move |vector| {
            let first = vector / width * width;
            (first, width.min(vectors - first), vector)
        })
    }

    /// Where the panel that begins with a vector begins within a position.
    pub(super) fn panel(&self, first_vector: usize) -> usize {
        first_vector * self.sources * LANES
    }

    /// A product over all panels of a group.
    pub(super) fn repeat(&self, group: &PanelGroup) -> Repeat {
        let PanelGroup { count, width, .. } = *group;
        Repeat { count, source: 0, weights: self.panel(width), target: width * LANES }
    }
}

/// Neighbouring panels of the same width.
#[derive(Clone, Copy, Debug)]
pub(super) struct PanelGroup {
    /// First vector.
    pub(super) first: usize,
    /// Panels.
    pub(super) count: usize,
    /// Vectors of a panel.
    pub(super) width: usize,
}

/// How the weight `[out, in, 3, 3]` is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightOrder {
    /// Values from a target channel to the next.
    pub(super) target: usize,
    /// Values from a source channel to the next.
    pub(super) source: usize,
    /// Turned by half a turn, for data gradients.
    pub(super) turned: bool,
}

impl WeightOrder {
    fn tap(self, tap: usize) -> usize {
        if self.turned { 8 - tap } else { tap }
    }
}

/// Transforms all kernels of a weight, sixteen target channels at a time.
pub(super) struct PackWeights<'a> {
    pub(super) layout: WeightLayout,
    pub(super) order: WeightOrder,
    pub(super) weight: &'a [f32],
    pub(super) packed: &'a mut [f32],
}

impl Kernel for PackWeights<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { layout, order, weight, packed } = self;
        let packed = &mut packed[..layout.len()];
        let mut kernels = [[0.0_f32; LANES]; 9];
        for (first, width, vector) in layout.vectors() {
            let lanes = LANES.min(layout.targets - vector * LANES);
            kernels.as_flattened_mut().fill(0.0);
            for source in 0..layout.sources {
                let weight = &weight[vector * LANES * order.target + source * order.source..];
                for lane in 0..lanes {
                    let kernel = &weight[lane * order.target..][..9];
                    for tap in 0..9 {
                        kernels[order.tap(tap)][lane] = kernel[tap];
                    }
                }
                let place = layout.panel(first) + (source * width + vector - first) * LANES;
                let position = layout.position_len();
                assert!(place + 35 * position + LANES <= packed.len());
                let from = Square { first: kernels.as_ptr().cast(), row: 3 * LANES, column: LANES };
                // SAFETY: asserted for the target; the source is the array of nine vectors.
                unsafe {
                    let first = packed.as_mut_ptr().add(place);
                    weight_kernel(simd, from, Square { first, row: 6 * position, column: position });
                }
            }
        }
    }
}

/// Transforms sums in the layout of packed weights back to the gradient of the weight.
pub(super) struct UnpackGradient<'a> {
    pub(super) layout: WeightLayout,
    pub(super) order: WeightOrder,
    pub(super) sums: &'a [f32],
    pub(super) gradient: &'a mut [f32],
}

impl Kernel for UnpackGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { layout, order, sums, gradient } = self;
        let sums = &sums[..layout.len()];
        let mut kernels = [[0.0_f32; LANES]; 9];
        for (first, width, vector) in layout.vectors() {
            let lanes = LANES.min(layout.targets - vector * LANES);
            for source in 0..layout.sources {
                let place = layout.panel(first) + (source * width + vector - first) * LANES;
                let position = layout.position_len();
                assert!(place + 35 * position + LANES <= sums.len());
                let to = Square { first: kernels.as_mut_ptr().cast(), row: 3 * LANES, column: LANES };
                // SAFETY: asserted for the source; the target is the array of nine vectors.
                unsafe {
                    let first = sums.as_ptr().add(place);
                    weight_gradient_kernel(simd, Square { first, row: 6 * position, column: position }, to);
                }
                let gradient = &mut gradient[vector * LANES * order.target + source * order.source..];
                for lane in 0..lanes {
                    let kernel = &mut gradient[lane * order.target..][..9];
                    for tap in 0..9 {
                        kernel[tap] = kernels[order.tap(tap)][lane];
                    }
                }
            }
        }
    }
}
