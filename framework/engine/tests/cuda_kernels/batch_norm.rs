//! Batch norm over groups of a batch of which the device has a part.

use crate::machine::{
    Argument, Plain, Real, Runner, arguments, assert_close, on_every_machine, random, value,
};
use crate::sums::{Extent, Piece, Pieces};

/// `Groups` of the kernels.
#[derive(Clone, Copy)]
#[repr(C)]
struct Groups {
    group_images: i32,
    pixels: i32,
    batch: i32,
    first_group: i32,
    end_group: i32,
}

/// A batch of `batch` images in groups, of which the device has `images` from `first` on; values are `[image][pixel][channel]`.
#[derive(Clone, Copy)]
struct Case {
    batch: usize,
    group: usize,
    first: usize,
    images: usize,
    pixels: usize,
    channels: usize,
}

const EPSILON: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

impl Case {
    fn first_group(&self) -> usize {
        self.first / self.group
    }

    fn end_group(&self) -> usize {
        (self.first + self.images - 1) / self.group + 1
    }

    fn groups(&self) -> Groups {
        Groups {
            group_images: self.group as i32,
            pixels: self.pixels as i32,
            batch: self.batch as i32,
            first_group: self.first_group() as i32,
            end_group: self.end_group() as i32,
        }
    }

    /// Whether no other device has images.
    fn is_whole(&self) -> bool {
        self.images == self.batch
    }

    fn count(&self) -> usize {
        self.batch.div_ceil(self.group)
    }

    /// Values of all images; the device's are a part of them.
    fn all_len(&self) -> usize {
        self.batch * self.pixels * self.channels
    }

    fn own<'a>(&self, all: &'a [f32]) -> &'a [f32] {
        let image = self.pixels * self.channels;
        &all[self.first * image..(self.first + self.images) * image]
    }

    /// The sums of two functions of each place over every group, `[group][2][channels]`, of the images in a range.
    fn sums(&self, images: std::ops::Range<usize>, values: impl Fn(usize) -> [f64; 2]) -> Vec<f64> {
        let mut sums = vec![0.0; self.count() * 2 * self.channels];
        for image in images {
            for i in 0..self.pixels * self.channels {
                let place = image * self.pixels * self.channels + i;
                let start = image / self.group * 2 * self.channels + i % self.channels;
                let [first, second] = values(place);
                sums[start] += first;
                sums[start + self.channels] += second;
            }
        }
        sums
    }

    /// How a kernel that forms partial sums is launched, and room for them.
    fn cut(&self, run: &Runner<'_>, kernel: Kernel) -> Cut {
        let groups = self.end_group() - self.first_group();
        let lanes = 256 / kernel.columns;
        // The last chunk is shorter than the others, and than the rows that a thread reads at once.
        let rows = lanes + 3;
        let count = (self.group.min(self.images) * self.pixels).div_ceil(rows);
        let partial = run.room(groups * count * 2 * self.channels);
        let across = self.channels.div_ceil(kernel.width * kernel.columns);
        Cut {
            grid: [across, count, groups].map(|n| n as u32),
            block: [kernel.columns as u32, lanes as u32, 1],
            rows: rows as i32,
            chunks: Chunks { partial, count: count as i32 },
        }
    }

    /// Runs a kernel that forms partial sums.
    fn partial(&self, run: &Runner<'_>, kernel: Kernel, mut arguments: Vec<Argument>) -> Chunks {
        let Cut { grid, block, rows, chunks } = self.cut(run, kernel);
        let images = |images: usize| (images * self.pixels) as i32;
        arguments.push(chunks.partial.into());
        for number in
            [images(self.images), self.channels as i32, images(self.group), images(self.first), rows]
        {
            arguments.push(number.into());
        }
        run.launch(kernel.name, grid, block, &mut arguments);
        chunks
    }

    fn extent(&self) -> Extent {
        Extent {
            images: self.images as i32,
            height: 1,
            width: self.pixels as i32,
            channels: self.channels as i32,
            group_images: self.group as i32,
            first: self.first as i32,
        }
    }

    /// Adds partial sums up.
    fn device_sums(&self, run: &Runner<'_>, chunks: Chunks) -> Vec<f64> {
        let sums = run.plain(&vec![0.0f64; self.count() * 2 * self.channels]);
        let grid = self.chunk_grid(self.end_group() - self.first_group());
        let (channels, first) = (self.channels as i32, self.first_group() as i32);
        let arguments = arguments![chunks.partial, sums, chunks.count, channels, first];
        run.launch("sum_chunks", grid, CHUNK_BLOCK, arguments);
        run.read_doubles(sums)
    }

    fn chunk_grid(&self, groups: usize) -> [u32; 3] {
        [self.channels.div_ceil(8) as u32, groups as u32, 1]
    }

    /// Every form of a kernel of partial sums that takes these channels, with every number of columns of threads.
    fn kernels(&self, [scalar, wide]: [&'static str; 2]) -> Vec<Kernel> {
        let scalar = [1, 4, 32].map(|columns| Kernel { name: scalar, width: 1, columns });
        let wide = [1, 2, 8].map(|columns| Kernel { name: wide, width: 8, columns });
        let is_wide = self.channels.is_multiple_of(8);
        scalar.into_iter().chain(wide.into_iter().filter(|_| is_wide)).collect()
    }
}

/// A kernel of partial sums, with the channels that a thread takes and the columns of threads of a block.
#[derive(Clone, Copy)]
struct Kernel {
    name: &'static str,
    width: usize,
    columns: usize,
}

/// A launch of such a kernel.
struct Cut {
    grid: [u32; 3],
    block: [u32; 3],
    /// Of a chunk.
    rows: i32,
    chunks: Chunks,
}

/// Partial sums, and how many there are of each group.
#[derive(Clone, Copy)]
struct Chunks {
    partial: Plain,
    count: i32,
}

const CHUNK_BLOCK: [u32; 3] = [8, 32, 1];

/// `Norm` of the kernels.
#[derive(Clone, Copy)]
#[repr(C)]
struct Norm {
    places: [u64; 8],
    epsilon: f64,
    momentum: f64,
}

/// `NormGradient` of the kernels.
#[derive(Clone, Copy)]
#[repr(C)]
struct NormGradient {
    places: [u64; 6],
}

fn threads(channels: usize) -> ([u32; 3], [u32; 3]) {
    ([(channels as u32).div_ceil(16), 1, 1], [16, 1, 1])
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

#[test]
fn forward_and_backward_agree_with_the_formulae() {
    let cases = [
        Case { batch: 5, group: 5, first: 0, images: 5, pixels: 7, channels: 3 },
        Case { batch: 7, group: 3, first: 0, images: 7, pixels: 12, channels: 40 },
        // The middle of a batch on this device: parts of two groups, the second the last and smaller.
        Case { batch: 10, group: 4, first: 5, images: 4, pixels: 6, channels: 33 },
        Case { batch: 3, group: 128, first: 0, images: 3, pixels: 30, channels: 5 },
        // Runs of eight channels, in one column of threads, in two, in columns that are not all used, and over several blocks.
        Case { batch: 4, group: 2, first: 0, images: 4, pixels: 150, channels: 8 },
        Case { batch: 9, group: 4, first: 3, images: 6, pixels: 100, channels: 16 },
        Case { batch: 2, group: 2, first: 0, images: 2, pixels: 300, channels: 24 },
        Case { batch: 3, group: 3, first: 1, images: 1, pixels: 49, channels: 72 },
        Case { batch: 3, group: 3, first: 0, images: 3, pixels: 9, channels: 12 },
    ];
    for case in cases {
        on_every_machine(|run| check(run, case));
    }
}

fn check(run: &Runner<'_>, case: Case) {
    let Case { channels, images, first, .. } = case;
    // Values as the device stores them, for all images: what other devices have enters by their sums.
    let stored = |seed: u64, scale: f32, shift: f32| {
        let values: Vec<f32> = random(seed, case.all_len()).iter().map(|v| v * scale + shift).collect();
        run.real(&values).1
    };
    let (x, g) = (stored(1, 1.5, 0.5), stored(2, 1.0, 0.0));
    let (gamma, beta) = (random(3, channels), random(4, channels));
    let (device_x, _) = run.real(case.own(&x));
    let (device_g, _) = run.real(case.own(&g));
    let (device_gamma, device_beta) = (run.plain(&gamma), run.plain(&beta));

    let squares = |i: usize| [f64::from(x[i]), f64::from(x[i]).powi(2)];
    let own = case.sums(first..first + images, squares);
    let mut chunks = Vec::new();
    for kernel in case.kernels(["moments", "moments_wide"]) {
        let partial = case.partial(run, kernel, vec![device_x.into()]);
        let found = case.device_sums(run, partial);
        assert_close(kernel.name, &narrow(&found), &own, 1e-5);
        chunks.push(partial);
    }

    let sums = case.sums(0..case.batch, squares);
    let len = case.count() * channels;
    let (scale, shift, mean) = (run.room(len), run.room(len), run.room(len));
    let inverse_std = run.plain(&vec![f64::NAN; len]);
    let old = random(5, channels);
    let (running_mean, running_variance) = (run.plain(&old), run.plain(&old));
    let (grid, block) = threads(channels);
    let groups = value(case.groups());
    let norm = |[running_mean, running_variance, scale, shift, mean, inverse_std]: [Plain; 6]| {
        let places =
            [device_gamma, device_beta, running_mean, running_variance, scale, shift, mean, inverse_std];
        value(Norm { places: places.map(Plain::address), epsilon: EPSILON, momentum: MOMENTUM })
    };
    let places = [running_mean, running_variance, scale, shift, mean, inverse_std];
    let arguments = arguments![run.plain(&sums), norm(places), channels as i32, groups.clone()];
    run.launch("batch_norm_coefficients", grid, block, arguments);
    if case.is_whole() {
        // The same from the chunks at once.
        let again = [run.plain(&old), run.plain(&old), run.room(len), run.room(len), run.room(len)];
        let again = [again[0], again[1], again[2], again[3], again[4], run.plain(&vec![f64::NAN; len])];
        let (grid, count) = (case.chunk_grid(case.count()), chunks[0].count);
        let arguments = arguments![chunks[0].partial, count, norm(again), channels as i32, groups];
        run.launch("batch_norm_coefficients_of_chunks", grid, CHUNK_BLOCK, arguments);
        for (found, expected) in again.into_iter().zip(places).take(5) {
            let expected: Vec<f64> = run.read(expected).into_iter().map(f64::from).collect();
            assert_close("of chunks", &run.read(found), &expected, 1e-4);
        }
        let narrow = |place| narrow(&run.read_doubles(place));
        let expected: Vec<f64> = run.read_doubles(inverse_std);
        assert_close("inverse deviation of chunks", &narrow(again[5]), &expected, 1e-4);
    }
    let statistics = |group: usize, channel: usize| {
        let count = (case.group.min(case.batch - group * case.group) * case.pixels) as f64;
        let start = group * 2 * channels + channel;
        let mean = sums[start] / count;
        (count, mean, sums[start + channels] / count - mean * mean)
    };
    let (found_mean, found_scale, found_shift) = (run.read(mean), run.read(scale), run.read(shift));
    for group in case.first_group()..case.end_group() {
        for channel in 0..channels {
            let (_, mean, variance) = statistics(group, channel);
            let scale = f64::from(gamma[channel]) / (variance + EPSILON).sqrt();
            let shift = f64::from(beta[channel]) - mean * scale;
            let place = group * channels + channel;
            assert_close("scale", &found_scale[place..=place], &[scale], 1e-6);
            assert_close("shift", &found_shift[place..=place], &[shift], 1e-6);
            assert_close("mean", &found_mean[place..=place], &[mean], 1e-6);
        }
    }
    let expected = |channel: usize| {
        let (count, mean, variance) = statistics(0, channel);
        [mean, variance * count / (count - 1.0)].map(|new| 0.9 * f64::from(old[channel]) + 0.1 * new)
    };
    for (place, found) in [running_mean, running_variance].into_iter().enumerate() {
        let has_first = case.first_group() == 0;
        let expected = (0..channels).map(|c| if has_first { expected(c)[place] } else { f64::from(old[c]) });
        assert_close("running statistics", &run.read(found), &expected.collect::<Vec<_>>(), 1e-6);
    }
    backward(
        run,
        case,
        &Arrays { x, g, gamma, device_x, device_g, device_gamma, mean, inverse_std },
        statistics,
    );
}

struct Arrays {
    x: Vec<f32>,
    g: Vec<f32>,
    gamma: Vec<f32>,
    device_x: Real,
    device_g: Real,
    device_gamma: Plain,
    mean: Plain,
    inverse_std: Plain,
}

fn backward(
    run: &Runner<'_>,
    case: Case,
    arrays: &Arrays,
    statistics: impl Fn(usize, usize) -> (f64, f64, f64),
) {
    let Case { channels, images, first, pixels, .. } = case;
    let (x, g) = (&arrays.x, &arrays.g);
    let place_of = |i: usize| (i / (pixels * channels) / case.group, i % channels);
    let centred = |i: usize| {
        let (group, channel) = place_of(i);
        // The kernel centres by the mean in `f32`.
        f64::from(x[i]) - f64::from(statistics(group, channel).1 as f32)
    };
    let weighted = |i: usize| [f64::from(g[i]), f64::from(g[i]) * centred(i)];
    let own = case.sums(first..first + images, weighted);
    let arguments = vec![arrays.device_g.into(), arrays.device_x.into(), arrays.mean.into()];
    let mut chunks = Vec::new();
    for kernel in case.kernels(["gradient_moments", "gradient_moments_wide"]) {
        let partial = case.partial(run, kernel, arguments.clone());
        let found = case.device_sums(run, partial);
        assert_close(kernel.name, &narrow(&found), &own, 1e-5);
        chunks.push(partial);
    }

    let all = case.sums(0..case.batch, weighted);
    let (device_own, device_all) = (run.plain(&own), run.plain(&all));
    let coefficients = run.room(case.count() * 3 * channels);
    let (gamma_gradient, beta_gradient) = (run.room(channels), run.room(channels));
    let (grid, block) = threads(channels);
    let norm = |places: [Plain; 3]| {
        let Arrays { device_gamma, mean, inverse_std, .. } = *arrays;
        let [coefficients, gamma, beta] = places;
        let places = [device_gamma, mean, inverse_std, coefficients, gamma, beta].map(Plain::address);
        value(NormGradient { places })
    };
    let (groups, places) = (value(case.groups()), [coefficients, gamma_gradient, beta_gradient]);
    let arguments = arguments![device_own, device_all, norm(places), channels as i32, groups.clone()];
    run.launch("batch_norm_gradient_coefficients", grid, block, arguments);
    if case.is_whole() {
        let again = [run.room(case.count() * 3 * channels), run.room(channels), run.room(channels)];
        let (grid, count) = (case.chunk_grid(1), chunks[0].count);
        let arguments = arguments![chunks[0].partial, count, norm(again), channels as i32, groups];
        run.launch("batch_norm_gradient_coefficients_of_chunks", grid, CHUNK_BLOCK, arguments);
        for (found, expected) in again.into_iter().zip(places) {
            let expected: Vec<f64> = run.read(expected).into_iter().map(f64::from).collect();
            assert_close("of chunks", &run.read(found), &expected, 1e-5);
        }
    }
    let mut expected = [vec![0.0; channels], vec![0.0; channels]];
    for group in case.first_group()..case.end_group() {
        for channel in 0..channels {
            let inverse = 1.0 / (statistics(group, channel).2 + EPSILON).sqrt();
            let start = group * 2 * channels + channel;
            expected[0][channel] += own[start + channels] * inverse;
            expected[1][channel] += own[start];
        }
    }
    assert_close("gamma's gradient", &run.read(gamma_gradient), &expected[0], 1e-6);
    assert_close("beta's gradient", &run.read(beta_gradient), &expected[1], 1e-6);

    // dx = gamma / std (g - mean(g) - x_hat mean(g x_hat)), as a piece of a sum.
    let dx = run.real_room(images * pixels * channels);
    let piece = Piece::normalised(arrays.device_g, arrays.device_x, coefficients);
    let arguments =
        &mut [value(Pieces::of(&[piece])), 0u64.into(), dx.into(), value(case.extent()), 1f32.into()];
    run.launch_loop("sum_backward", images * pixels * channels, arguments);
    let image = pixels * channels;
    let expected: Vec<f64> = (first * image..(first + images) * image)
        .map(|i| {
            let (group, channel) = place_of(i);
            let (count, mean, variance) = statistics(group, channel);
            let inverse = 1.0 / (variance + EPSILON).sqrt();
            let start = group * 2 * channels + channel;
            let normalised = (f64::from(x[i]) - mean) * inverse;
            let projected = normalised * all[start + channels] * inverse / count;
            f64::from(arrays.gamma[channel]) * inverse * (f64::from(g[i]) - all[start] / count - projected)
        })
        .collect();
    run.assert_real("dx", dx, &expected);
}

#[test]
fn moments_of_a_gradient_are_formed_as_it_is_summed_up() {
    let cases = [
        Case { batch: 7, group: 3, first: 0, images: 7, pixels: 50, channels: 12 },
        Case { batch: 10, group: 4, first: 5, images: 4, pixels: 70, channels: 16 },
        Case { batch: 2, group: 2, first: 0, images: 2, pixels: 300, channels: 40 },
        Case { batch: 3, group: 3, first: 1, images: 1, pixels: 49, channels: 72 },
    ];
    for case in cases {
        on_every_machine(|run| check_sum_with_moments(run, case));
    }
}

/// Against the sum alone, and then the moments of it.
fn check_sum_with_moments(run: &Runner<'_>, case: Case) {
    let len = case.images * case.pixels * case.channels;
    let [a, b, x, kept] = [11, 12, 13, 14].map(|seed| run.real(&random(seed, len)).0);
    let mean = run.plain(&random(15, case.count() * case.channels));
    let pieces = value(Pieces::of(&[Piece::copy(a), Piece::copy(b)]));
    for activation in [0u64, kept.address()] {
        let arguments = |out: Real| {
            let (extent, slope) = (value(case.extent()), 0.25f32);
            vec![pieces.clone(), activation.into(), out.into(), extent, slope.into()]
        };
        let alone = run.real_room(len);
        run.launch_loop("sum_backward", len, &mut arguments(alone));
        for kernel in case.kernels(["sum_backward_moments", "sum_backward_moments_wide"]) {
            let out = run.real_room(len);
            let Cut { grid, block, rows, chunks } = case.cut(run, kernel);
            let mut arguments = arguments(out);
            arguments.extend([x.into(), mean.into(), chunks.partial.into(), rows.into()]);
            run.launch(kernel.name, grid, block, &mut arguments);
            assert_eq!(run.read_real(out), run.read_real(alone), "{}", kernel.name);

            let moments = Kernel { name: "gradient_moments", width: 1, columns: 4 };
            let moments = case.partial(run, moments, vec![alone.into(), x.into(), mean.into()]);
            let expected = case.device_sums(run, moments);
            let found = case.device_sums(run, chunks);
            assert_close(kernel.name, &narrow(&found), &expected, 1e-5);
        }
    }
}

#[test]
fn evaluation_uses_the_running_statistics() {
    on_every_machine(|run| {
        let channels = 37;
        let [gamma, beta, mean] = [6, 7, 8].map(|seed| random(seed, channels));
        let variance: Vec<f32> = random(9, channels).iter().map(|v| v + 1.0).collect();
        let (scale, shift) = (run.room(channels), run.room(channels));
        let (grid, block) = threads(channels);
        let [g, b, m, v] = [&gamma, &beta, &mean, &variance].map(|values| run.plain(values));
        run.launch(
            "running_coefficients",
            grid,
            block,
            arguments![g, b, m, v, scale, shift, channels as i32, EPSILON],
        );
        let factor = |c: usize| f64::from(gamma[c]) / (f64::from(variance[c]) + EPSILON).sqrt();
        let scales: Vec<f64> = (0..channels).map(factor).collect();
        let shifts: Vec<f64> =
            (0..channels).map(|c| f64::from(beta[c]) - f64::from(mean[c]) * scales[c]).collect();
        assert_close("scale", &run.read(scale), &scales, 1e-6);
        assert_close("shift", &run.read(shift), &shifts, 1e-6);
    });
}
