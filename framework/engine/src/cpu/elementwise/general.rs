//! Any sum, activation and derivative on a row: a pass for each piece.

use super::{Affine, Extent, Piece, SumsOfRow};
use crate::cpu::simd::{LANES, Simd, Vector};
use balpoe_net::Activation;

/// `target = sum of pieces` for one row.
#[inline(always)]
pub(super) unsafe fn sum_row<S: Simd>(simd: S, pieces: &[Piece], y: usize, extent: Extent, target: *mut f32) {
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
            Piece::Affine(Affine { x, scale, shift }) => {
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
                if y.is_multiple_of(step) {
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
pub(super) unsafe fn activate_row<S: Simd>(simd: S, activation: Activation, len: usize, row: *mut f32) {
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
pub(super) unsafe fn mask_row<S: Simd>(
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
pub(super) unsafe fn gradient_sums_row<S: Simd>(simd: S, extent: Extent, g: *const f32, sums: SumsOfRow) {
    let Extent { width, stride, .. } = extent;
    let SumsOfRow { x, mean, sums } = sums;
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
