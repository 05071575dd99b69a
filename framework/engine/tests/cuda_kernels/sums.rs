//! Sums of pieces, forward and backward.

use crate::machine::{Argument, Plain, Real, Runner, on_every_machine, random, value};

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
    pub(crate) fn copy(x: Real) -> Self {
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

/// A map with a shortcut from a larger one, of which it has every `stride`-th pixel behind `before` channels.
#[derive(Clone, Copy)]
struct Case {
    extent: Extent,
    /// Height, width and channels of the larger map.
    larger: [usize; 3],
    stride: usize,
    before: usize,
}

impl Case {
    /// Five images of which this device's first is the fourth of the batch, in groups of four.
    fn new(
        [height, width, channels]: [usize; 3],
        larger_channels: usize,
        stride: usize,
        before: usize,
    ) -> Self {
        let [h, w, c] = [height, width, channels].map(|n| n as i32);
        Self {
            extent: Extent { images: 5, height: h, width: w, channels: c, group_images: 4, first: 3 },
            // One row less than the most.
            larger: [(height - 1) * stride + 1, width * stride, larger_channels],
            stride,
            before,
        }
    }

    fn channels(&self) -> usize {
        self.extent.channels as usize
    }

    fn image_len(&self) -> usize {
        self.extent.height as usize * self.extent.width as usize * self.channels()
    }

    fn len(&self) -> usize {
        5 * self.image_len()
    }

    fn larger_len(&self) -> usize {
        5 * self.larger.iter().product::<usize>()
    }

    fn larger_extent(&self) -> Extent {
        let [height, width, channels] = self.larger.map(|n| n as i32);
        Extent { height, width, channels, ..self.extent }
    }

    fn group(&self, i: usize) -> usize {
        (i / self.image_len() + self.extent.first as usize) / self.extent.group_images as usize
    }

    /// Place in the larger map of a place, where the shortcut has one.
    fn source(&self, i: usize) -> Option<usize> {
        let (pixel, channel) = (i / self.channels(), i % self.channels());
        let [height, width, channels] = self.larger;
        let (x, y) = (pixel % self.extent.width as usize, pixel / self.extent.width as usize);
        let (y, image) = (y % self.extent.height as usize, y / self.extent.height as usize);
        let channel = channel.checked_sub(self.before).filter(|&channel| channel < channels)?;
        Some(((image * height + y * self.stride) * width + x * self.stride) * channels + channel)
    }

    /// Whether runs of eight channels lie together everywhere.
    fn is_wide(&self) -> bool {
        [self.channels(), self.larger[2], self.before].iter().all(|n| n.is_multiple_of(8))
    }

    /// Runs a kernel over so many values of a map, and its wide form too, which must give the same bits.
    fn launch(
        &self,
        run: &Runner<'_>,
        [scalar, wide]: [&'static str; 2],
        len: usize,
        arguments: impl Fn(Real) -> Vec<Argument>,
    ) -> Real {
        let out = run.real_room(len);
        run.launch_loop(scalar, len, &mut arguments(out));
        if self.is_wide() {
            let again = run.real_room(len);
            run.launch_loop(wide, len / 8, &mut arguments(again));
            let bits = |array| run.read_real(array).iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert!(bits(out) == bits(again), "{wide} gives other bits than {scalar}");
        }
        out
    }
}

const FORWARD: [&str; 2] = ["sum_forward", "sum_forward_wide"];
const BACKWARD: [&str; 2] = ["sum_backward", "sum_backward_wide"];

fn cases() -> [Case; 9] {
    [
        Case::new([3, 4, 6], 4, 2, 1),
        Case::new([2, 3, 3], 3, 1, 0),
        Case::new([3, 4, 12], 8, 2, 4),
        Case::new([3, 4, 16], 8, 2, 4),
        Case::new([4, 4, 8], 8, 2, 0),
        Case::new([3, 5, 16], 8, 2, 8),
        Case::new([3, 3, 24], 8, 3, 8),
        Case::new([5, 2, 40], 24, 1, 16),
        // As a concatenation has its pieces.
        Case::new([1, 1, 48], 16, 1, 32),
    ]
}

#[test]
fn batch_norm_residual_and_shortcut_in_one_pass() {
    on_every_machine(|run| cases().into_iter().for_each(|case| check_forward(run, case)));
}

fn check_forward(run: &Runner<'_>, case: Case) {
    let (len, channels) = (case.len(), case.channels());
    let ((x, xs), (r, rs)) = (run.real(&random(1, len)), run.real(&random(2, len)));
    let (w, ws) = run.real(&random(3, case.larger_len()));
    let (scale, shift) = (random(4, 2 * channels), random(5, 2 * channels));
    let affine = Piece::affine(x, run.plain(&scale), run.plain(&shift));
    let shortcut = Piece::subsample(w, case.larger, case.stride, case.before);
    let pieces = Pieces::of(&[affine, Piece::copy(r), shortcut]);
    for slope in [0.0f32, 0.25, 1.0] {
        let arguments = |out: Real| vec![value(pieces), out.into(), value(case.extent), slope.into()];
        let out = case.launch(run, FORWARD, len, arguments);
        let expected: Vec<f64> = (0..len)
            .map(|i| {
                let place = case.group(i) * channels + i % channels;
                let affine = f64::from(scale[place]) * f64::from(xs[i]) + f64::from(shift[place]);
                let sum = affine + f64::from(rs[i]) + case.source(i).map_or(0.0, |i| f64::from(ws[i]));
                if sum < 0.0 { f64::from(slope) * sum } else { sum }
            })
            .collect();
        run.assert_real("sum", out, &expected);
    }
}

#[test]
fn gradients_pass_the_activation_the_batch_norm_and_the_shortcut() {
    on_every_machine(|run| cases().into_iter().for_each(|case| check_backward(run, case)));
}

fn check_backward(run: &Runner<'_>, case: Case) {
    let (len, channels) = (case.len(), case.channels());
    let ((a, gradients), (b, more)) = (run.real(&random(6, len)), run.real(&random(7, len)));
    let ((x, xs), coefficients) = (run.real(&random(8, len)), random(9, 2 * 3 * channels));
    let normalised = Piece::normalised(b, x, run.plain(&coefficients));
    let (kept, values) = run.real(&random(10, len).iter().map(|v| v.max(0.0)).collect::<Vec<_>>());
    let arguments = |pieces: &[Piece], kept: u64, extent: Extent, slope: f32| {
        let pieces = Pieces::of(pieces);
        move |out: Real| vec![value(pieces), kept.into(), out.into(), value(extent), slope.into()]
    };
    let both = [Piece::copy(a), normalised];
    let out = case.launch(run, BACKWARD, len, arguments(&both, kept.address(), case.extent, 0.5));
    let sum = |i: usize| {
        let own = &coefficients[case.group(i) * 3 * channels + i % channels..];
        let [g, x] = [more[i], xs[i]].map(f64::from);
        let [scale, slope, shift] = [own[0], own[channels], own[2 * channels]].map(f64::from);
        f64::from(gradients[i]) + scale * g + slope * x + shift
    };
    let expected: Vec<f64> = (0..len).map(|i| sum(i) * if values[i] > 0.0 { 1.0 } else { 0.5 }).collect();
    run.assert_real("gradient", out, &expected);

    let spread = [Piece::spread(
        b,
        [case.extent.height, case.extent.width, case.extent.channels].map(|n| n as usize),
        case.stride,
        case.before,
    )];
    let wide =
        case.launch(run, BACKWARD, case.larger_len(), arguments(&spread, 0, case.larger_extent(), 1.0));
    let mut expected = vec![0.0; case.larger_len()];
    for i in 0..len {
        if let Some(source) = case.source(i) {
            expected[source] = f64::from(more[i]);
        }
    }
    run.assert_real("spread", wide, &expected);

    // Collected in place, by whichever form there is.
    let copies = [Piece::copy(a), Piece::copy(b)];
    let (kernel, units) = if case.is_wide() { (BACKWARD[1], len / 8) } else { (BACKWARD[0], len) };
    run.launch_loop(kernel, units, &mut arguments(&copies, 0, case.extent, 1.0)(a));
    let expected: Vec<f64> = (0..len).map(|i| f64::from(gradients[i]) + f64::from(more[i])).collect();
    run.assert_real("collected", a, &expected);
}

#[test]
fn what_is_not_a_number_or_infinite_stays_so_in_either_form() {
    on_every_machine(|run| {
        let case = Case::new([1, 1, 8], 8, 1, 0);
        let mut values = random(11, case.len());
        (values[0], values[9], values[18]) = (f32::NAN, f32::NEG_INFINITY, f32::INFINITY);
        let pieces = Pieces::of(&[Piece::copy(run.real(&values).0)]);
        let arguments = |out: Real| vec![value(pieces), out.into(), value(case.extent), 0.0f32.into()];
        let found = run.read_real(case.launch(run, FORWARD, case.len(), arguments));
        assert!(found[0].is_nan());
        assert_eq!((found[9], found[18]), (0.0, f32::INFINITY));
    });
}
