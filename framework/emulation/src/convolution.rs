//! Convolutions in plain loops, with the channels innermost.

use balpoe_engine::cuda::Convolution;

/// A pixel of the input that a kernel position meets at a pixel of the output.
struct Meeting {
    /// Pixels, counted over the batch.
    input: usize,
    output: usize,
    /// Position within the kernel.
    position: usize,
}

fn meetings(c: &Convolution) -> impl Iterator<Item = Meeting> {
    let Convolution { images, input, output, window, .. } = *c;
    let [height, width] = window.kernel;
    let outputs = (0..images).flat_map(move |image| {
        (0..output.height).flat_map(move |y| (0..output.width).map(move |x| (image, y, x)))
    });
    outputs.enumerate().flat_map(move |(place, (image, y, x))| {
        (0..height * width).filter_map(move |position| {
            let row = (y * window.stride[0] + position / width).checked_sub(window.padding[0])?;
            let column = (x * window.stride[1] + position % width).checked_sub(window.padding[1])?;
            let inside = row < input.height && column < input.width;
            let input = (image * input.height + row) * input.width + column;
            inside.then_some(Meeting { input, output: place, position })
        })
    })
}

/// Input and output channels of a group.
fn channels(c: &Convolution) -> [usize; 2] {
    [c.input.channels / c.groups, c.output.channels / c.groups]
}

/// Changes `[out][position][in]` into `[group][position][in][out]` or back.
fn regrouped(c: &Convolution, weight: &[f32], back: bool) -> Vec<f32> {
    let [ins, outs] = channels(c);
    let positions = c.window.kernel[0] * c.window.kernel[1];
    let mut result = vec![0.0; weight.len()];
    for out in 0..c.output.channels {
        for position in 0..positions {
            for i in 0..ins {
                let first = (out * positions + position) * ins + i;
                let second = ((out / outs * positions + position) * ins + i) * outs + out % outs;
                let (from, to) = if back { (second, first) } else { (first, second) };
                result[to] = weight[from];
            }
        }
    }
    result
}

/// `y` of `x` and `weight`.
pub(crate) fn forward(c: &Convolution, x: &[f32], weight: &[f32]) -> Vec<f32> {
    let [ins, outs] = channels(c);
    let positions = c.window.kernel[0] * c.window.kernel[1];
    let weight = regrouped(c, weight, false);
    let mut y = vec![0.0; c.images * c.output.len()];
    for Meeting { input, output, position } in meetings(c) {
        for group in 0..c.groups {
            let y = &mut y[output * c.output.channels + group * outs..][..outs];
            let x = &x[input * c.input.channels + group * ins..][..ins];
            let weight = &weight[(group * positions + position) * ins * outs..];
            for (&x, weight) in x.iter().zip(weight.chunks_exact(outs)) {
                y.iter_mut().zip(weight).for_each(|(y, w)| *y += x * w);
            }
        }
    }
    y
}

/// The gradient of the input.
pub(crate) fn input_gradient(c: &Convolution, weight: &[f32], dy: &[f32]) -> Vec<f32> {
    let [ins, outs] = channels(c);
    let positions = c.window.kernel[0] * c.window.kernel[1];
    let mut dx = vec![0.0; c.images * c.input.len()];
    for Meeting { input, output, position } in meetings(c) {
        for out in 0..c.output.channels {
            let dx = &mut dx[input * c.input.channels + out / outs * ins..][..ins];
            let weight = &weight[(out * positions + position) * ins..][..ins];
            let dy = dy[output * c.output.channels + out];
            dx.iter_mut().zip(weight).for_each(|(dx, w)| *dx += dy * w);
        }
    }
    dx
}

/// The gradient of the weight.
pub(crate) fn weight_gradient(c: &Convolution, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let [ins, outs] = channels(c);
    let positions = c.window.kernel[0] * c.window.kernel[1];
    let mut gradient = vec![0.0; c.output.channels * positions * ins];
    for Meeting { input, output, position } in meetings(c) {
        for group in 0..c.groups {
            let dy = &dy[output * c.output.channels + group * outs..][..outs];
            let x = &x[input * c.input.channels + group * ins..][..ins];
            let gradient = &mut gradient[(group * positions + position) * ins * outs..];
            for (&x, gradient) in x.iter().zip(gradient.chunks_exact_mut(outs)) {
                gradient.iter_mut().zip(dy).for_each(|(g, dy)| *g += x * dy);
            }
        }
    }
    regrouped(c, &gradient, true)
}
