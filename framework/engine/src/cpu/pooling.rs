//! Pooling of one image, forward and backward. Feature maps are dense, `[height, width, stride]`.

use balpoe_net::{Shape, Window};

/// Positions of a window along one side: the pixels of output position `out` that lie inside the image.
fn span(window: Window, side: usize, out: usize, size: usize) -> std::ops::Range<usize> {
    let start = out * window.stride[side];
    let first = start.saturating_sub(window.padding[side]);
    let end = (start + window.kernel[side]).saturating_sub(window.padding[side]).min(size);
    first..end.max(first)
}

/// Calls `visit(output pixel, input pixels)` for every window.
fn windows(input: Shape, output: Shape, window: Window, mut visit: impl FnMut(usize, &[usize])) {
    let mut pixels = Vec::with_capacity(window.kernel[0] * window.kernel[1]);
    for y in 0..output.height {
        for x in 0..output.width {
            pixels.clear();
            for row in span(window, 0, y, input.height) {
                pixels.extend(span(window, 1, x, input.width).map(|column| row * input.width + column));
            }
            visit(y * output.width + x, &pixels);
        }
    }
}

/// Largest value of each window.
pub(super) fn max_forward(
    shapes: (Shape, Shape),
    window: Window,
    stride: usize,
    input: &[f32],
    output: &mut [f32],
) {
    windows(shapes.0, shapes.1, window, |out, pixels| {
        let output = &mut output[out * stride..][..stride];
        let Some((&first, rest)) = pixels.split_first() else { return };
        output.copy_from_slice(&input[first * stride..][..stride]);
        for pixel in rest {
            for (best, &value) in output.iter_mut().zip(&input[pixel * stride..][..stride]) {
                // What is not a number wins and stays, as in PyTorch.
                *best = if value > *best || value.is_nan() { value } else { *best };
            }
        }
    });
}

/// Gives each output's gradient to the first of the largest inputs of its window; overwrites `dx`.
pub(super) fn max_backward(
    shapes: (Shape, Shape),
    window: Window,
    stride: usize,
    input: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    dx.fill(0.0);
    // The largest value of each channel so far and the pixel that holds it.
    let mut largest = vec![(0.0, 0); stride];
    windows(shapes.0, shapes.1, window, |out, pixels| {
        let Some((&first, rest)) = pixels.split_first() else { return };
        for (largest, &value) in largest.iter_mut().zip(&input[first * stride..]) {
            *largest = (value, first);
        }
        for &pixel in rest {
            for (largest, &value) in largest.iter_mut().zip(&input[pixel * stride..]) {
                let wins = value > largest.0 || value.is_nan();
                *largest = if wins { (value, pixel) } else { *largest };
            }
        }
        for (channel, (&(_, pixel), &dy)) in largest.iter().zip(&dy[out * stride..]).enumerate() {
            dx[pixel * stride + channel] += dy;
        }
    });
}

/// Mean of each window, padding counted as zeros.
pub(super) fn average_forward(
    shapes: (Shape, Shape),
    window: Window,
    stride: usize,
    input: &[f32],
    output: &mut [f32],
) {
    let share = 1.0 / (window.kernel[0] * window.kernel[1]) as f32;
    windows(shapes.0, shapes.1, window, |out, pixels| {
        let output = &mut output[out * stride..][..stride];
        output.fill(0.0);
        for pixel in pixels {
            for (sum, &value) in output.iter_mut().zip(&input[pixel * stride..][..stride]) {
                *sum += value;
            }
        }
        for sum in output {
            *sum *= share;
        }
    });
}

/// Spreads each output's gradient evenly over its window; overwrites `dx`.
pub(super) fn average_backward(
    shapes: (Shape, Shape),
    window: Window,
    stride: usize,
    dy: &[f32],
    dx: &mut [f32],
) {
    let share = 1.0 / (window.kernel[0] * window.kernel[1]) as f32;
    dx.fill(0.0);
    windows(shapes.0, shapes.1, window, |out, pixels| {
        for pixel in pixels {
            for (sum, &value) in dx[pixel * stride..][..stride].iter_mut().zip(&dy[out * stride..][..stride])
            {
                *sum += value * share;
            }
        }
    });
}

/// The window that covers the whole image.
pub(super) fn whole(input: Shape) -> Window {
    let kernel = [input.height, input.width];
    Window { kernel, stride: kernel, padding: [0; 2] }
}
