//! Sums of feature maps, evaluated a row at a time: batch norm, activation, addition and shortcut forward and backward.
//!
//! A row of an image (2 KiB in the networks that matter) stays in the first-level cache while piece after piece is added
//! to it, so that every feature map is read from memory once however many things happen to it. The combinations that residual
//! networks consist of take a single pass over the row.

mod general;
mod single_pass;

use super::simd::{Kernel, LANES, Simd, Vector};
use balpoe_net::Activation;
use general::{activate_row, gradient_sums_row, mask_row, sum_row};
use single_pass::{AffineRow, CopiedRow, Operand, Plus, differentiate_row, evaluate_row};

/// Rows and columns of an image and the distance of its pixels, a multiple of [`LANES`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) stride: usize,
}

impl Extent {
    fn row_len(self) -> usize {
        self.width * self.stride
    }
}

/// One image's feature map: where its first pixel lies and how far apart rows are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    pub(super) start: *mut f32,
    pub(super) row_len: usize,
}

impl Plane {
    #[inline(always)]
    unsafe fn row(self, y: usize) -> *mut f32 {
        // SAFETY: the caller vouches for `y` being a row of the image.
        unsafe { self.start.add(y * self.row_len) }
    }
}

/// Something that is added up, one image of it. Coefficients are vectors over channels.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    /// A feature map as it is.
    Copy(Plane),
    /// `scale x + shift`.
    Affine(Affine),
    /// `a g + b x + c`, the gradient of a batch norm: the three coefficient vectors lie one after the other.
    Normalised { g: Plane, x: Plane, coefficients: *const f32 },
    /// Every `stride`-th pixel of `x`, whose pixels are `pixel` apart, into channels from `before` on.
    Subsample { x: Plane, pixel: usize, channels: usize, stride: usize, before: usize },
    /// The reverse: channels from `before` on of `g`, whose pixels are `pixel` apart, into every `stride`-th pixel.
    Spread { g: Plane, pixel: usize, channels: usize, stride: usize, before: usize },
}

/// `scale x + shift`; the coefficients are vectors over channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine {
    pub(super) x: Plane,
    pub(super) scale: *const f32,
    pub(super) shift: *const f32,
}

impl Affine {
    #[inline(always)]
    unsafe fn row(self, y: usize) -> AffineRow {
        // SAFETY: the caller vouches for `y` being a row of the image.
        AffineRow { x: unsafe { self.x.row(y) }, scale: self.scale, shift: self.shift }
    }
}

/// Per-channel sums that a batch norm's gradient needs: of `g`, and of `g (x - mean)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct GradientSums {
    pub(super) x: Plane,
    pub(super) mean: *const f32,
    /// Two vectors over channels, overwritten.
    pub(super) sums: *mut f32,
}

/// `target = activation(sum of pieces)` for one image.
pub(super) struct Evaluate<'a> {
    pub(super) extent: Extent,
    pub(super) pieces: &'a [Piece],
    pub(super) activation: Option<Activation>,
    pub(super) target: Plane,
    /// A second place for the result.
    pub(super) copy: Option<Plane>,
}

impl Kernel for Evaluate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let extent = self.extent;
        for y in 0..extent.height {
            // SAFETY: whoever made the kernel vouches that all planes hold an image of `extent` (or what the piece says)
            // and that nobody else uses the targets meanwhile.
            unsafe {
                let target = self.target.row(y);
                let copy = self.copy.map(|copy| copy.row(y));
                match (self.pieces, self.activation) {
                    ([Piece::Affine(x)], Some(Activation::Relu)) => {
                        evaluate_row(simd, extent, x.row(y), target, copy);
                    }
                    (
                        [Piece::Affine(x), Piece::Copy(other)] | [Piece::Copy(other), Piece::Affine(x)],
                        Some(Activation::Relu),
                    ) => {
                        let sum = Plus(x.row(y), CopiedRow(other.row(y)));
                        evaluate_row(simd, extent, sum, target, copy);
                    }
                    _ => {
                        sum_row(simd, self.pieces, y, extent, target);
                        if let Some(activation) = self.activation {
                            activate_row(simd, activation, extent.row_len(), target);
                        }
                        if let Some(copy) = copy {
                            std::ptr::copy_nonoverlapping(target, copy, extent.row_len());
                        }
                    }
                }
            }
        }
    }
}

/// `target = slope(value) * (sum of pieces)` for one image, where `slope` is the derivative of an activation, and the
/// sums over pixels that batch norms need.
pub(super) struct Differentiate<'a> {
    pub(super) extent: Extent,
    pub(super) pieces: &'a [Piece],
    /// The activation and what it was applied to (or its result, which has the same sign).
    pub(super) activation: Option<(Activation, &'a [Piece])>,
    pub(super) target: Plane,
    pub(super) sums: &'a [GradientSums],
    /// Room for a row.
    pub(super) row: *mut f32,
}

impl Kernel for Differentiate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let extent = self.extent;
        // SAFETY: as for `Evaluate`; `sums` have two vectors over channels each and `row` has room for a row.
        unsafe {
            for sums in self.sums {
                std::ptr::write_bytes(sums.sums, 0, 2 * extent.stride);
            }
            for y in 0..extent.height {
                self.run_row(simd, y);
            }
        }
    }
}

impl Differentiate<'_> {
    #[inline(always)]
    unsafe fn run_row<S: Simd>(&self, simd: S, y: usize) {
        let extent = self.extent;
        // SAFETY: as for `run`.
        unsafe {
            let target = self.target.row(y);
            if let ([sums], Some((Activation::Relu, value))) = (self.sums, self.activation) {
                let sums = SumsOfRow { x: sums.x.row(y), mean: sums.mean, sums: sums.sums };
                match self.pieces {
                    [Piece::Copy(g)] => {
                        return self.mask_row(simd, CopiedRow(g.row(y)), value, y, sums);
                    }
                    [Piece::Copy(a), Piece::Copy(b)] => {
                        let g = Plus(CopiedRow(a.row(y)), CopiedRow(b.row(y)));
                        return self.mask_row(simd, g, value, y, sums);
                    }
                    pieces => {
                        sum_row(simd, pieces, y, extent, target);
                        return self.mask_row(simd, CopiedRow(target), value, y, sums);
                    }
                }
            }
            sum_row(simd, self.pieces, y, extent, target);
            if let Some((activation, value)) = self.activation {
                sum_row(simd, value, y, extent, self.row);
                mask_row(simd, activation, extent.row_len(), self.row, target);
            }
            for sums in self.sums {
                let sums = SumsOfRow { x: sums.x.row(y), mean: sums.mean, sums: sums.sums };
                gradient_sums_row(simd, extent, target, sums);
            }
        }
    }
}

impl Differentiate<'_> {
    /// The common case: one batch norm before a rectifier.
    #[inline(always)]
    unsafe fn mask_row<S: Simd, G: Operand<S>>(
        &self,
        simd: S,
        g: G,
        value: &[Piece],
        y: usize,
        sums: SumsOfRow,
    ) {
        let extent = self.extent;
        // SAFETY: as for `run`.
        unsafe {
            let target = self.target.row(y);
            match value {
                [Piece::Copy(value)] => {
                    differentiate_row(simd, extent, g, CopiedRow(value.row(y)), target, sums);
                }
                [Piece::Affine(value)] => {
                    differentiate_row(simd, extent, g, value.row(y), target, sums);
                }
                [Piece::Affine(value), Piece::Copy(other)] | [Piece::Copy(other), Piece::Affine(value)] => {
                    let value = Plus(value.row(y), CopiedRow(other.row(y)));
                    differentiate_row(simd, extent, g, value, target, sums);
                }
                value => {
                    sum_row(simd, value, y, extent, self.row);
                    differentiate_row(simd, extent, g, CopiedRow(self.row), target, sums);
                }
            }
        }
    }
}

/// [`GradientSums`] for one row.
#[derive(Clone, Copy)]
struct SumsOfRow {
    x: *const f32,
    mean: *const f32,
    sums: *mut f32,
}

/// Per-channel sum and sum of squares over the pixels of one image; `sums` are two vectors over channels, overwritten.
pub(super) struct Moments {
    pub(super) extent: Extent,
    pub(super) x: Plane,
    pub(super) sums: *mut f32,
}

impl Kernel for Moments {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Extent { height, width, stride } = self.extent;
        for block in (0..stride).step_by(LANES) {
            let (mut sum, mut squares) = (simd.zero(), simd.zero());
            for y in 0..height {
                let (mut row_sum, mut row_squares) = (simd.zero(), simd.zero());
                for x in 0..width {
                    // SAFETY: whoever made the kernel vouches for the plane.
                    let value = unsafe { simd.load_from(self.x.row(y).add(x * stride + block)) };
                    row_sum = row_sum + value;
                    row_squares = value.mul_add(value, row_squares);
                }
                sum = sum + row_sum;
                squares = squares + row_squares;
            }
            // SAFETY: `sums` has two vectors over channels.
            unsafe {
                sum.store_to(self.sums.add(block));
                squares.store_to(self.sums.add(stride + block));
            }
        }
    }
}
