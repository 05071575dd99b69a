//! Sums of pieces, forward and backward.

use crate::machine::{Plain, Real, on_every_machine, random, value};

/// `Piece` of the kernels.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Piece {
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

impl Piece {
    fn copy(x: Real) -> Self {
        Self { x: x.address(), kind: 0, ..Self::default() }
    }

    fn affine(x: Real, scale: Plain, shift: Plain) -> Self {
        Self {
            x: x.address(),
            coefficients: scale.address(),
            shift: shift.address(),
            kind: 1,
            ..Self::default()
        }
    }

    /// From a map of this height, width and channels.
    fn subsample(x: Real, [height, width, channels]: [usize; 3], stride: usize, before: usize) -> Self {
        let [height, width, channels, stride, before] =
            [height, width, channels, stride, before].map(|n| n as i32);
        Self { x: x.address(), kind: 2, height, width, channels, stride, before, ..Self::default() }
    }

    pub(crate) fn normalised(g: Real, x: Real, coefficients: Plain) -> Self {
        let (g, x, coefficients) = (g.address(), x.address(), coefficients.address());
        Self { x, g, coefficients, kind: 3, ..Self::default() }
    }

    fn spread(g: Real, shape: [usize; 3], stride: usize, before: usize) -> Self {
        Self { g: g.address(), x: 0, kind: 4, ..Self::subsample(g, shape, stride, before) }
    }
}

/// `Pieces` of the kernels.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Pieces {
    pieces: [Piece; 4],
    count: i32,
}

impl Pieces {
    pub(crate) fn of(list: &[Piece]) -> Self {
        let mut pieces = [Piece::default(); 4];
        pieces[..list.len()].copy_from_slice(list);
        Self { pieces, count: list.len() as i32 }
    }
}

/// `Extent` of the kernels.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Extent {
    pub(crate) images: i32,
    pub(crate) height: i32,
    pub(crate) width: i32,
    pub(crate) channels: i32,
    pub(crate) group_images: i32,
    pub(crate) first: i32,
}

/// Five images of which this device's first is the fourth of the batch, in groups of four.
const EXTENT: Extent = Extent { images: 5, height: 3, width: 4, channels: 6, group_images: 4, first: 3 };
const LEN: usize = 5 * 3 * 4 * 6;
/// The map behind the shortcut: twice the size less one row, four channels.
const WIDE: [usize; 3] = [5, 8, 4];
const WIDE_LEN: usize = 5 * 5 * 8 * 4;

/// Place in the wide map of a place in the narrow one, where the shortcut has one.
fn source(i: usize) -> Option<usize> {
    let (channel, x, y, image) = (i % 6, i / 6 % 4, i / 24 % 3, i / 72);
    let channel = channel.checked_sub(1).filter(|&channel| channel < 4)?;
    Some(((image * 5 + 2 * y) * 8 + 2 * x) * 4 + channel)
}

#[test]
fn batch_norm_residual_and_shortcut_in_one_pass() {
    on_every_machine(|run| {
        let ((x, xs), (r, rs)) = (run.real(&random(1, LEN)), run.real(&random(2, LEN)));
        let (w, ws) = run.real(&random(3, WIDE_LEN));
        let (scale, shift) = (random(4, 2 * 6), random(5, 2 * 6));
        let affine = Piece::affine(x, run.plain(&scale), run.plain(&shift));
        let pieces = Pieces::of(&[affine, Piece::copy(r), Piece::subsample(w, WIDE, 2, 1)]);
        for slope in [0.0f32, 0.25, 1.0] {
            let out = run.real_room(LEN);
            run.launch_loop(
                "sum_forward",
                LEN,
                &mut [value(pieces), out.into(), value(EXTENT), slope.into()],
            );
            let expected: Vec<f64> = (0..LEN)
                .map(|i| {
                    let group = (i / 72 + EXTENT.first as usize) / EXTENT.group_images as usize;
                    let place = group * 6 + i % 6;
                    let affine = f64::from(scale[place]) * f64::from(xs[i]) + f64::from(shift[place]);
                    let sum = affine + f64::from(rs[i]) + source(i).map_or(0.0, |i| f64::from(ws[i]));
                    if sum < 0.0 { f64::from(slope) * sum } else { sum }
                })
                .collect();
            run.assert_real("sum", out, &expected);
        }
    });
}

#[test]
fn gradients_pass_the_activation_and_the_shortcut() {
    on_every_machine(|run| {
        let ((a, gradients), (b, more)) = (run.real(&random(6, LEN)), run.real(&random(7, LEN)));
        let (value_of, values) = run.real(&random(8, LEN).iter().map(|v| v.max(0.0)).collect::<Vec<_>>());
        let arguments = |pieces: &[Piece], kept: u64, out: Real, extent: Extent, slope: f32| {
            [value(Pieces::of(pieces)), kept.into(), out.into(), value(extent), slope.into()]
        };
        let out = run.real_room(LEN);
        let both = [Piece::copy(a), Piece::copy(b)];
        run.launch_loop("sum_backward", LEN, &mut arguments(&both, value_of.address(), out, EXTENT, 0.5));
        let expected: Vec<f64> = (0..LEN)
            .map(|i| {
                let slope = if values[i] > 0.0 { 1.0 } else { 0.5 };
                slope * (f64::from(gradients[i]) + f64::from(more[i]))
            })
            .collect();
        run.assert_real("gradient", out, &expected);

        // Collected in place.
        run.launch_loop("sum_backward", LEN, &mut arguments(&both, 0, a, EXTENT, 1.0));
        let expected: Vec<f64> = (0..LEN).map(|i| f64::from(gradients[i]) + f64::from(more[i])).collect();
        run.assert_real("collected", a, &expected);

        let wide = run.real_room(WIDE_LEN);
        let extent = Extent { height: 5, width: 8, channels: 4, ..EXTENT };
        let spread = [Piece::spread(b, [3, 4, 6], 2, 1)];
        run.launch_loop("sum_backward", WIDE_LEN, &mut arguments(&spread, 0, wide, extent, 1.0));
        let mut expected = vec![0.0; WIDE_LEN];
        for i in 0..LEN {
            if let Some(source) = source(i) {
                expected[source] = f64::from(more[i]);
            }
        }
        run.assert_real("spread", wide, &expected);
    });
}
