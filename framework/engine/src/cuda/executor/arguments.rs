//! What kernels take by value, laid out as in their sources.

use super::rooms::Place;
use balpoe_net::{Shape, Window};

/// What enters a sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Piece {
    /// `x`.
    Copy(Place),
    /// `scale x + shift`, by group.
    Affine { x: Place, scale: Place, shift: Place },
    /// Every `stride`-th pixel of `x`, a map of this shape, behind `before` zero channels.
    Subsample { x: Place, shape: Shape, stride: usize, before: usize },
    /// `a g + b x + c`, by group.
    Normalised { g: Place, x: Place, coefficients: Place },
    /// The gradient of `Subsample`, where `g` is a map of this shape.
    Spread { g: Place, shape: Shape, stride: usize, before: usize },
}

impl Piece {
    /// Whether runs of [`WIDE`] channels of the sum are such runs of the piece as well.
    pub(super) fn is_wide(&self) -> bool {
        match *self {
            Self::Copy(_) | Self::Affine { .. } | Self::Normalised { .. } => true,
            Self::Subsample { shape, before, .. } | Self::Spread { shape, before, .. } => {
                shape.channels.is_multiple_of(WIDE) && before.is_multiple_of(WIDE)
            }
        }
    }
}

/// Channels that a thread of a wide kernel takes at once, as in `prelude.cu`.
pub(super) const WIDE: usize = 8;

/// Pieces that a kernel takes at once.
pub(super) const PIECES: usize = 4;

/// `Piece` of `sums.cu`, with addresses.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct RawPiece {
    x: u64,
    g: u64,
    coefficients: u64,
    shift: u64,
    kind: i32,
    height: i32,
    width: i32,
    channels: i32,
    stride: i32,
    before: i32,
}

impl RawPiece {
    pub(super) fn new(piece: Piece, mut address: impl FnMut(Place) -> u64) -> Self {
        let map = |shape: Shape, stride: usize, before: usize| Self {
            height: shape.height as i32,
            width: shape.width as i32,
            channels: shape.channels as i32,
            stride: stride as i32,
            before: before as i32,
            ..Self::default()
        };
        match piece {
            Piece::Copy(x) => Self { x: address(x), kind: 0, ..Self::default() },
            Piece::Affine { x, scale, shift } => Self {
                x: address(x),
                coefficients: address(scale),
                shift: address(shift),
                kind: 1,
                ..Self::default()
            },
            Piece::Subsample { x, shape, stride, before } => {
                Self { x: address(x), kind: 2, ..map(shape, stride, before) }
            }
            Piece::Normalised { g, x, coefficients } => Self {
                x: address(x),
                g: address(g),
                coefficients: address(coefficients),
                kind: 3,
                ..Self::default()
            },
            Piece::Spread { g, shape, stride, before } => {
                Self { g: address(g), kind: 4, ..map(shape, stride, before) }
            }
        }
    }
}

/// `Pieces` of `sums.cu`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct RawPieces {
    pub(super) pieces: [RawPiece; PIECES],
    pub(super) count: i32,
    /// What C++ leaves unused.
    pub(super) rest: i32,
}

/// `Extent` of `sums.cu`: a map, and how its images are grouped.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Extent {
    pub(super) images: i32,
    pub(super) height: i32,
    pub(super) width: i32,
    pub(super) channels: i32,
    pub(super) group_images: i32,
    pub(super) first: i32,
}

/// `Groups` of `batch_norm.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct RawGroups {
    pub(super) group_images: i32,
    pub(super) pixels: i32,
    pub(super) batch: i32,
    pub(super) first_group: i32,
    pub(super) end_group: i32,
}

/// `Norm` of `batch_norm.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct RawNorm {
    /// gamma, beta, the running mean and variance, scale, shift, mean and inverse deviation.
    pub(super) places: [u64; 8],
    pub(super) epsilon: f64,
    pub(super) momentum: f64,
}

/// `NormGradient` of `batch_norm.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct RawNormGradient {
    /// gamma, mean, inverse deviation, coefficients, and the gradients of gamma and beta.
    pub(super) places: [u64; 6],
}

/// `Pooling` of `pooling.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Pooling {
    images: i32,
    height: i32,
    width: i32,
    channels: i32,
    out_height: i32,
    out_width: i32,
    kernel: [i32; 2],
    stride: [i32; 2],
    padding: [i32; 2],
}

impl Pooling {
    pub(super) fn new(images: usize, input: Shape, output: Shape, window: Window) -> Self {
        let pair = |sizes: [usize; 2]| sizes.map(|size| size as i32);
        Self {
            images: images as i32,
            height: input.height as i32,
            width: input.width as i32,
            channels: input.channels as i32,
            out_height: output.height as i32,
            out_width: output.width as i32,
            kernel: pair(window.kernel),
            stride: pair(window.stride),
            padding: pair(window.padding),
        }
    }
}
