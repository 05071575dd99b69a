//! Sums of feature maps, evaluated a row at a time: batch norm, activation, addition and shortcut forward and backward.
//!
//! A row of an image (2 KiB in the networks that matter) stays in the first-level cache while piece after piece is added
//! to it, so that every feature map is read from memory once however many things happen to it.

use super::simd::{Kernel, LANES, Simd, Vector};
use balpoe_net::Activation;

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
    Affine { x: Plane, scale: *const f32, shift: *const f32 },
    /// `a g + b x + c`, the gradient of a batch norm: the three coefficient vectors lie one after the other.
    Normalised { g: Plane, x: Plane, coefficients: *const f32 },
    /// Every `stride`-th pixel of `x`, whose pixels are `pixel` apart, into channels from `before` on.
    Subsample { x: Plane, pixel: usize, channels: usize, stride: usize, before: usize },
    /// The reverse: channels from `before` on of `g`, whose pixels are `pixel` apart, into every `stride`-th pixel.
    Spread { g: Plane, pixel: usize, channels: usize, stride: usize, before: usize },
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
                sum_row(simd, self.pieces, y, extent, target);
                if let Some(activation) = self.activation {
                    activate_row(simd, activation, extent.row_len(), target);
                }
                if let Some(copy) = self.copy {
                    std::ptr::copy_nonoverlapping(target, copy.row(y), extent.row_len());
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
                let target = self.target.row(y);
                sum_row(simd, self.pieces, y, extent, target);
                if let Some((activation, value)) = self.activation {
                    sum_row(simd, value, y, extent, self.row);
                    mask_row(simd, activation, extent.row_len(), self.row, target);
                }
                for sums in self.sums {
                    gradient_sums_row(simd, extent, target, sums.x.row(y), sums.mean, sums.sums);
                }
            }
        }
    }
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

/// `target = sum of pieces` for one row.
#[inline(always)]
unsafe fn sum_row<S: Simd>(simd: S, pieces: &[Piece], y: usize, extent: Extent, target: *mut f32) {
    // SAFETY: see `Evaluate`.
    unsafe {
        for (index, piece) in pieces.iter().enumerate() {
            if index == 0 {
                add_piece::<S, true>(simd, piece, y, extent, target);
            } else {
                add_piece::<S, false>(simd, piece, y, extent, target);
            }
        }
        if pieces.is_empty() {
            std::ptr::write_bytes(target, 0, extent.row_len());
        }
    }
}

/// Adds a piece to a row, or as the `FIRST` overwrites the row with it.
#[inline(always)]
unsafe fn add_piece<S: Simd, const FIRST: bool>(
    simd: S,
    piece: &Piece,
    y: usize,
    extent: Extent,
    target: *mut f32,
) {
    let Extent { width, stride, .. } = extent;
    // SAFETY: see `Evaluate`; offsets stay below the row's length.
    unsafe {
        match *piece {
            Piece::Copy(x) => {
                let x = x.row(y);
                if FIRST && x == target {
                    return; // collected in place
                }
                for i in (0..extent.row_len()).step_by(LANES) {
                    let value = simd.load_from(x.add(i));
                    let value = if FIRST { value } else { value + simd.load_from(target.add(i)) };
                    value.store_to(target.add(i));
                }
            }
            Piece::Affine { x, scale, shift } => {
                let x = x.row(y);
                for block in (0..stride).step_by(LANES) {
                    let (scale, shift) = (simd.load_from(scale.add(block)), simd.load_from(shift.add(block)));
                    for i in (block..width * stride).step_by(stride) {
                        let value = simd.load_from(x.add(i)).mul_add(scale, shift);
                        let value = if FIRST { value } else { value + simd.load_from(target.add(i)) };
                        value.store_to(target.add(i));
                    }
                }
            }
            Piece::Normalised { g, x, coefficients } => {
                let (g, x) = (g.row(y), x.row(y));
                for block in (0..stride).step_by(LANES) {
                    let a = simd.load_from(coefficients.add(block));
                    let b = simd.load_from(coefficients.add(stride + block));
                    let c = simd.load_from(coefficients.add(2 * stride + block));
                    for i in (block..width * stride).step_by(stride) {
                        let value = simd.load_from(x.add(i)).mul_add(b, c);
                        let value = simd.load_from(g.add(i)).mul_add(a, value);
                        let value = if FIRST { value } else { value + simd.load_from(target.add(i)) };
                        value.store_to(target.add(i));
                    }
                }
            }
            Piece::Subsample { x, pixel, channels, stride: step, before } => {
                if FIRST {
                    std::ptr::write_bytes(target, 0, width * stride);
                }
                let x = x.row(y * step);
                for column in 0..width {
                    add_channels(
                        simd,
                        channels,
                        x.add(column * step * pixel),
                        target.add(column * stride + before),
                    );
                }
            }
            Piece::Spread { g, pixel, channels, stride: step, before } => {
                if FIRST {
                    std::ptr::write_bytes(target, 0, width * stride);
                }
                if y % step == 0 {
                    let g = g.row(y / step);
                    for (column, x) in (0..width).step_by(step).enumerate() {
                        add_channels(simd, channels, g.add(column * pixel + before), target.add(x * stride));
                    }
                }
            }
        }
    }
}

/// `target += source` over `count` values, which need not be whole vectors.
#[inline(always)]
unsafe fn add_channels<S: Simd>(simd: S, count: usize, source: *const f32, target: *mut f32) {
    let whole = count - count % LANES;
    // SAFETY: the caller vouches for `count` values.
    unsafe {
        for i in (0..whole).step_by(LANES) {
            (simd.load_from(target.add(i)) + simd.load_from(source.add(i))).store_to(target.add(i));
        }
        for i in whole..count {
            *target.add(i) += *source.add(i);
        }
    }
}

#[inline(always)]
unsafe fn activate_row<S: Simd>(simd: S, activation: Activation, len: usize, row: *mut f32) {
    // SAFETY: the caller vouches for `len` values.
    unsafe {
        match activation {
            Activation::Relu => {
                for i in (0..len).step_by(LANES) {
                    simd.zero().max(simd.load_from(row.add(i))).store_to(row.add(i));
                }
            }
            Activation::LeakyRelu { slope } => {
                for i in (0..len).step_by(LANES) {
                    let value = simd.load_from(row.add(i));
                    let value = value.select(value.greater(simd.zero()), value * simd.splat(slope));
                    value.store_to(row.add(i));
                }
            }
        }
    }
}

/// Multiplies a gradient by the activation's derivative at `value`.
#[inline(always)]
unsafe fn mask_row<S: Simd>(
    simd: S,
    activation: Activation,
    len: usize,
    value: *const f32,
    gradient: *mut f32,
) {
    let slope = match activation {
        Activation::Relu => 0.0,
        Activation::LeakyRelu { slope } => slope,
    };
    // SAFETY: the caller vouches for `len` values of both.
    unsafe {
        for i in (0..len).step_by(LANES) {
            let g = simd.load_from(gradient.add(i));
            let below = if slope == 0.0 { simd.zero() } else { g * simd.splat(slope) };
            let mask = simd.load_from(value.add(i)).greater(simd.zero());
            g.select(mask, below).store_to(gradient.add(i));
        }
    }
}

#[inline(always)]
unsafe fn gradient_sums_row<S: Simd>(
    simd: S,
    extent: Extent,
    g: *const f32,
    x: *const f32,
    mean: *const f32,
    sums: *mut f32,
) {
    let Extent { width, stride, .. } = extent;
    // SAFETY: see `Differentiate`.
    unsafe {
        for block in (0..stride).step_by(LANES) {
            let mean = simd.load_from(mean.add(block));
            let (mut plain, mut weighted) = (simd.zero(), simd.zero());
            for i in (block..width * stride).step_by(stride) {
                let g = simd.load_from(g.add(i));
                plain = plain + g;
                weighted = g.mul_add(simd.load_from(x.add(i)) - mean, weighted);
            }
            (simd.load_from(sums.add(block)) + plain).store_to(sums.add(block));
            let place = sums.add(stride + block);
            (simd.load_from(place) + weighted).store_to(place);
        }
    }
}
