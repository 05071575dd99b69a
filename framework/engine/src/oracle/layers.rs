//! Each operation, forward and backward, on dense `[batch, height, width, channels]` slices.

use super::Real;
use balpoe_net::{Shape, Window};

/// Place of a value in a dense batch.
fn at(shape: Shape, image: usize, y: usize, x: usize, channel: usize) -> usize {
    ((image * shape.height + y) * shape.width + x) * shape.channels + channel
}

/// Calls `visit(input y, input x, kernel y, kernel x)` for every pixel of the window at an output position that lies in
/// the image.
fn window_pixels(
    input: Shape,
    window: Window,
    y: usize,
    x: usize,
    mut visit: impl FnMut(usize, usize, usize, usize),
) {
    for ky in 0..window.kernel[0] {
        for kx in 0..window.kernel[1] {
            let row = (y * window.stride[0] + ky).checked_sub(window.padding[0]);
            let column = (x * window.stride[1] + kx).checked_sub(window.padding[1]);
            if let (Some(row), Some(column)) = (row, column)
                && row < input.height
                && column < input.width
            {
                visit(row, column, ky, kx);
            }
        }
    }
}

fn positions(batch: usize, shape: Shape) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..batch).flat_map(move |image| {
        (0..shape.height).flat_map(move |y| (0..shape.width).map(move |x| (image, y, x)))
    })
}

/// A convolution's shapes.
#[derive(Clone, Copy)]
pub(super) struct Conv {
    pub(super) input: Shape,
    pub(super) output: Shape,
    pub(super) window: Window,
    pub(super) groups: usize,
}

impl Conv {
    /// Calls `visit(place in input, place in output, place in weight)` for every product.
    fn products(&self, batch: usize, mut visit: impl FnMut(usize, usize, usize)) {
        let (inputs, outputs) = (self.input.channels / self.groups, self.output.channels / self.groups);
        let [height, width] = self.window.kernel;
        for (image, y, x) in positions(batch, self.output) {
            window_pixels(self.input, self.window, y, x, |row, column, ky, kx| {
                for out in 0..self.output.channels {
                    let group = out / outputs;
                    for input in 0..inputs {
                        visit(
                            at(self.input, image, row, column, group * inputs + input),
                            at(self.output, image, y, x, out),
                            ((out * inputs + input) * height + ky) * width + kx,
                        );
                    }
                }
            });
        }
    }

    pub(super) fn forward<T: Real>(&self, batch: usize, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let mut y = vec![T::zero(); batch * self.output.len()];
        if let Some(bias) = bias {
            for pixel in y.chunks_exact_mut(bias.len()) {
                pixel.copy_from_slice(bias);
            }
        }
        self.products(batch, |input, output, place| y[output] += x[input] * weight[place]);
        y
    }

    pub(super) fn input_gradient<T: Real>(&self, batch: usize, dy: &[T], weight: &[T]) -> Vec<T> {
        let mut dx = vec![T::zero(); batch * self.input.len()];
        self.products(batch, |input, output, place| dx[input] += dy[output] * weight[place]);
        dx
    }

    pub(super) fn weight_gradient<T: Real>(&self, batch: usize, x: &[T], dy: &[T], len: usize) -> Vec<T> {
        let mut gradient = vec![T::zero(); len];
        self.products(batch, |input, output, place| gradient[place] += dy[output] * x[input]);
        gradient
    }
}

/// Per-channel sums over pixels, the gradient of a bias.
pub(super) fn channel_sums<T: Real>(channels: usize, values: &[T]) -> Vec<T> {
    let mut sums = vec![T::zero(); channels];
    for pixel in values.chunks_exact(channels) {
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum += value;
        }
    }
    sums
}

/// Mean and biased variance of each channel, in two passes.
pub(super) fn moments<T: Real>(channels: usize, x: &[T]) -> (Vec<T>, Vec<T>) {
    let count = T::of((x.len() / channels) as f64);
    let mean: Vec<T> = channel_sums(channels, x).into_iter().map(|sum| sum / count).collect();
    let squares: Vec<T> = x
        .chunks_exact(channels)
        .flat_map(|pixel| pixel.iter().zip(&mean).map(|(&x, &mean)| (x - mean) * (x - mean)))
        .collect();
    (mean, channel_sums(channels, &squares).into_iter().map(|sum| sum / count).collect())
}

/// `gamma (x - mean) / std + beta`.
pub(super) fn normalise<T: Real>(x: &[T], mean: &[T], std: &[T], gamma: &[T], beta: &[T]) -> Vec<T> {
    let channels = mean.len();
    x.iter()
        .enumerate()
        .map(|(i, &x)| {
            let c = i % channels;
            gamma[c] * (x - mean[c]) / std[c] + beta[c]
        })
        .collect()
}

/// Gradients of input, gamma and beta when mean and std are those of `x` itself.
pub(super) fn normalise_backward<T: Real>(
    x: &[T],
    dy: &[T],
    mean: &[T],
    std: &[T],
    gamma: &[T],
) -> (Vec<T>, Vec<T>, Vec<T>) {
    let channels = mean.len();
    let count = T::of((x.len() / channels) as f64);
    let x_hat: Vec<T> =
        x.iter().enumerate().map(|(i, &x)| (x - mean[i % channels]) / std[i % channels]).collect();
    let products: Vec<T> = dy.iter().zip(&x_hat).map(|(&dy, &x_hat)| dy * x_hat).collect();
    let (dgamma, dbeta) = (channel_sums(channels, &products), channel_sums(channels, dy));
    let dx = dy.iter().zip(&x_hat).enumerate().map(|(i, (&dy, &x_hat))| {
        let c = i % channels;
        gamma[c] / std[c] * (dy - dbeta[c] / count - x_hat * dgamma[c] / count)
    });
    (dx.collect(), dgamma, dbeta)
}

/// For every output of a pooling, the places of its window's inputs.
fn pooled<'a>(
    batch: usize,
    input: Shape,
    output: Shape,
    window: Window,
) -> impl Iterator<Item = (usize, Vec<usize>)> + 'a {
    positions(batch, output).flat_map(move |(image, y, x)| {
        (0..output.channels).map(move |channel| {
            let mut places = Vec::new();
            window_pixels(input, window, y, x, |row, column, _, _| {
                places.push(at(input, image, row, column, channel));
            });
            (at(output, image, y, x, channel), places)
        })
    })
}

fn largest<T: Real>(x: &[T], places: &[usize]) -> usize {
    places.iter().copied().fold(places[0], |best, place| if x[place] > x[best] { place } else { best })
}

pub(super) fn max_pool<T: Real>(
    batch: usize,
    input: Shape,
    output: Shape,
    window: Window,
    x: &[T],
) -> Vec<T> {
    let mut y = vec![T::zero(); batch * output.len()];
    for (out, places) in pooled(batch, input, output, window) {
        y[out] = x[largest(x, &places)];
    }
    y
}

pub(super) fn max_pool_backward<T: Real>(
    batch: usize,
    input: Shape,
    output: Shape,
    window: Window,
    x: &[T],
    dy: &[T],
) -> Vec<T> {
    let mut dx = vec![T::zero(); x.len()];
    for (out, places) in pooled(batch, input, output, window) {
        dx[largest(x, &places)] += dy[out];
    }
    dx
}

pub(super) fn average_pool<T: Real>(
    batch: usize,
    input: Shape,
    output: Shape,
    window: Window,
    x: &[T],
) -> Vec<T> {
    let area = T::of((window.kernel[0] * window.kernel[1]) as f64);
    let mut y = vec![T::zero(); batch * output.len()];
    for (out, places) in pooled(batch, input, output, window) {
        y[out] = places.iter().map(|&place| x[place]).sum::<T>() / area;
    }
    y
}

pub(super) fn average_pool_backward<T: Real>(
    batch: usize,
    input: Shape,
    output: Shape,
    window: Window,
    dy: &[T],
) -> Vec<T> {
    let area = T::of((window.kernel[0] * window.kernel[1]) as f64);
    let mut dx = vec![T::zero(); batch * input.len()];
    for (out, places) in pooled(batch, input, output, window) {
        for place in places {
            dx[place] += dy[out] / area;
        }
    }
    dx
}

/// Pairs of places `(input, output)` of the parameter-free shortcut.
pub(super) fn shortcut(batch: usize, input: Shape, output: Shape, stride: usize) -> Vec<(usize, usize)> {
    let before = (output.channels - input.channels) / 2;
    positions(batch, output)
        .flat_map(|(image, y, x)| {
            (0..input.channels).map(move |channel| {
                (at(input, image, y * stride, x * stride, channel), at(output, image, y, x, before + channel))
            })
        })
        .collect()
}

/// `x W^T` for `x` of `[batch, features]` and `W` of `[classes, features]`.
pub(super) fn linear<T: Real>(features: usize, x: &[T], weight: &[T]) -> Vec<T> {
    let dot = |row: &[T], column: &[T]| row.iter().zip(column).map(|(&x, &w)| x * w).sum::<T>();
    x.chunks_exact(features)
        .flat_map(|row| weight.chunks_exact(features).map(move |column| dot(row, column)))
        .collect()
}

/// `[rows, columns]` turned into `[columns, rows]`.
pub(super) fn transposed<T: Real>(columns: usize, matrix: &[T]) -> Vec<T> {
    (0..columns).flat_map(|column| matrix.iter().copied().skip(column).step_by(columns)).collect()
}

const SMALLEST_NORM: f64 = 1e-12;

fn norm_of<T: Real>(row: &[T]) -> T {
    let norm = row.iter().map(|&x| x * x).sum::<T>().sqrt();
    if norm < T::of(SMALLEST_NORM) { T::of(SMALLEST_NORM) } else { norm }
}

/// Each row divided by its norm, which counts as at least 1e-12.
pub(super) fn unit_rows<T: Real>(columns: usize, matrix: &[T]) -> Vec<T> {
    matrix.chunks_exact(columns).flat_map(|row| row.iter().map(move |&x| x / norm_of(row))).collect()
}

/// The gradient of [`unit_rows`].
pub(super) fn unit_rows_backward<T: Real>(columns: usize, matrix: &[T], dunit: &[T]) -> Vec<T> {
    let rows = matrix.chunks_exact(columns).zip(dunit.chunks_exact(columns));
    rows.flat_map(|(row, d)| {
        let norm = norm_of(row);
        let constant = norm <= T::of(SMALLEST_NORM);
        let along = row.iter().zip(d).map(|(&x, &d)| x * d).sum::<T>() / (norm * norm);
        let along = if constant { T::zero() } else { along };
        row.iter().zip(d).map(move |(&x, &d)| (d - x * along) / norm).collect::<Vec<_>>()
    })
    .collect()
}
