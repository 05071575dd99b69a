//! The combinations that residual networks consist of, each in one pass over a row.

use super::{Extent, SumsOfRow};
use crate::cpu::simd::{LANES, Simd, Vector};

/// A row that is computed as it is read.
pub(super) trait Operand<S: Simd>: Copy {
    /// Coefficients of sixteen channels.
    type Coefficients: Copy;

    /// The coefficients of the channels from `block` on.
    unsafe fn coefficients(self, simd: S, block: usize) -> Self::Coefficients;

    /// The sixteen values from `i` on, whose channels have these coefficients.
    unsafe fn at(self, simd: S, coefficients: Self::Coefficients, i: usize) -> S::Vector;
}

/// A row of memory.
#[derive(Clone, Copy)]
pub(super) struct CopiedRow(pub(super) *const f32);

impl<S: Simd> Operand<S> for CopiedRow {
    type Coefficients = ();

    #[inline(always)]
    unsafe fn coefficients(self, _: S, _: usize) {}

    #[inline(always)]
    unsafe fn at(self, simd: S, (): (), i: usize) -> S::Vector {
        // SAFETY: the caller keeps to the row.
        unsafe { simd.load_from(self.0.add(i)) }
    }
}

/// `scale x + shift`, the coefficients being vectors over channels.
#[derive(Clone, Copy)]
pub(super) struct AffineRow {
    pub(super) x: *const f32,
    pub(super) scale: *const f32,
    pub(super) shift: *const f32,
}

impl<S: Simd> Operand<S> for AffineRow {
    type Coefficients = (S::Vector, S::Vector);

    #[inline(always)]
    unsafe fn coefficients(self, simd: S, block: usize) -> Self::Coefficients {
        // SAFETY: the caller keeps to the channels.
        unsafe { (simd.load_from(self.scale.add(block)), simd.load_from(self.shift.add(block))) }
    }

    #[inline(always)]
    unsafe fn at(self, simd: S, (scale, shift): Self::Coefficients, i: usize) -> S::Vector {
        // SAFETY: the caller keeps to the row.
        unsafe { simd.load_from(self.x.add(i)).mul_add(scale, shift) }
    }
}

/// The sum of two rows.
#[derive(Clone, Copy)]
pub(super) struct Plus<A, B>(pub(super) A, pub(super) B);

impl<S: Simd, A: Operand<S>, B: Operand<S>> Operand<S> for Plus<A, B> {
    type Coefficients = (A::Coefficients, B::Coefficients);

    #[inline(always)]
    unsafe fn coefficients(self, simd: S, block: usize) -> Self::Coefficients {
        // SAFETY: as the caller vouches.
        unsafe { (self.0.coefficients(simd, block), self.1.coefficients(simd, block)) }
    }

    #[inline(always)]
    unsafe fn at(self, simd: S, (a, b): Self::Coefficients, i: usize) -> S::Vector {
        // SAFETY: as the caller vouches.
        unsafe { self.0.at(simd, a, i) + self.1.at(simd, b, i) }
    }
}

/// `target = relu(x)`, and the same in `copy`.
///
/// # Safety
/// All rows must be as long as `extent` says and nobody else may use the targets meanwhile.
#[inline(always)]
pub(super) unsafe fn evaluate_row<S: Simd, X: Operand<S>>(
    simd: S,
    extent: Extent,
    x: X,
    target: *mut f32,
    copy: Option<*mut f32>,
) {
    for block in (0..extent.stride).step_by(LANES) {
        // SAFETY: blocks are channels of the row.
        unsafe {
            let coefficients = x.coefficients(simd, block);
            for i in (block..extent.row_len()).step_by(extent.stride) {
                let value = simd.zero().max(x.at(simd, coefficients, i));
                value.store_to(target.add(i));
                if let Some(copy) = copy {
                    value.store_to(copy.add(i));
                }
            }
        }
    }
}

/// `target = g` where `value` is above zero, else zero; adds the row to the sums.
///
/// # Safety
/// As [`evaluate_row`].
#[inline(always)]
pub(super) unsafe fn differentiate_row<S: Simd, G: Operand<S>, V: Operand<S>>(
    simd: S,
    extent: Extent,
    g: G,
    value: V,
    target: *mut f32,
    sums: SumsOfRow,
) {
    for block in (0..extent.stride).step_by(LANES) {
        // SAFETY: blocks are channels of the row, and of the vectors over channels.
        unsafe {
            let (of_g, of_value) = (g.coefficients(simd, block), value.coefficients(simd, block));
            let mean = simd.load_from(sums.mean.add(block));
            let (plain_place, weighted_place) = (sums.sums.add(block), sums.sums.add(extent.stride + block));
            let (mut plain, mut weighted) = (simd.zero(), simd.zero());
            for i in (block..extent.row_len()).step_by(extent.stride) {
                let mask = value.at(simd, of_value, i).greater(simd.zero());
                let g = g.at(simd, of_g, i).select(mask, simd.zero());
                g.store_to(target.add(i));
                plain = plain + g;
                weighted = g.mul_add(simd.load_from(sums.x.add(i)) - mean, weighted);
            }
            (simd.load_from(plain_place) + plain).store_to(plain_place);
            (simd.load_from(weighted_place) + weighted).store_to(weighted_place);
        }
    }
}
