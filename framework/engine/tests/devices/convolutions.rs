//! Convolutions and their gradients against plain loops.

use crate::arrays::{assert_close, bound, coarse, get, put};
use crate::devices::groups;
use balpoe_engine::cuda::{Address, Command, Convolution, ConvolutionPass, Precision};
use balpoe_net::{Shape, Window};

/// A stem of each kind, strides, one pixel, groups, sides of different lengths, one image.
fn convolutions() -> Vec<Convolution> {
    let window = |kernel, stride, padding| Window { kernel, stride, padding };
    let shapes = [
        (3, Shape::new(9, 8, 3), Shape::new(9, 8, 16), window([3; 2], [1; 2], [1; 2]), 1),
        (2, Shape::new(15, 13, 3), Shape::new(8, 7, 8), window([7; 2], [2; 2], [3; 2]), 1),
        (5, Shape::new(8, 6, 16), Shape::new(8, 6, 16), window([3; 2], [1; 2], [1; 2]), 1),
        (2, Shape::new(9, 7, 16), Shape::new(5, 4, 32), window([3; 2], [2; 2], [1; 2]), 1),
        (1, Shape::new(7, 7, 24), Shape::new(7, 7, 40), window([1; 2], [1; 2], [0; 2]), 1),
        (3, Shape::new(8, 8, 16), Shape::new(4, 4, 24), window([1; 2], [2; 2], [0; 2]), 1),
        (2, Shape::new(6, 6, 32), Shape::new(6, 6, 32), window([3; 2], [1; 2], [1; 2]), 8),
        (2, Shape::new(6, 7, 64), Shape::new(3, 4, 64), window([3; 2], [2; 2], [1; 2]), 4),
    ];
    let convolution = |(images, input, output, window, groups)| {
        let [x, weight, y] = [Address::NULL; 3];
        Convolution { pass: ConvolutionPass::Forward, images, input, output, window, groups, x, weight, y }
    };
    shapes.map(convolution).to_vec()
}

/// Calls `term` with the places in `x`, `weight` and `y` of every product that a convolution sums.
fn each_term(c: &Convolution, mut term: impl FnMut(usize, usize, usize)) {
    let Convolution { images, input, output, window, groups, .. } = *c;
    let (ins, outs) = (input.channels / groups, output.channels / groups);
    let [rows, columns] = window.kernel;
    for image in 0..images {
        for (out_y, out_x) in (0..output.height).flat_map(|y| (0..output.width).map(move |x| (y, x))) {
            for (row, column) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
                let (y, x) = (out_y * window.stride[0] + row, out_x * window.stride[1] + column);
                let (Some(y), Some(x)) = (y.checked_sub(window.padding[0]), x.checked_sub(window.padding[1]))
                else {
                    continue;
                };
                if y >= input.height || x >= input.width {
                    continue;
                }
                let from = ((image * input.height + y) * input.width + x) * input.channels;
                let to = ((image * output.height + out_y) * output.width + out_x) * output.channels;
                for out in 0..output.channels {
                    let kernel = ((out * rows + row) * columns + column) * ins;
                    for channel in 0..ins {
                        term(from + out / outs * ins + channel, kernel + channel, to + out);
                    }
                }
            }
        }
    }
}

#[test]
fn convolutions_and_their_gradients_are_those_of_plain_loops() {
    for precision in Precision::ALL {
        for group in groups(1, precision) {
            let device = &*group[0];
            for convolution in convolutions() {
                let Convolution { images, input, output, window, groups, .. } = convolution;
                let weights =
                    output.channels * window.kernel.iter().product::<usize>() * input.channels / groups;
                let [x, weight, y] = [(1, images * input.len()), (2, weights), (3, images * output.len())]
                    .map(|(seed, len)| coarse(seed, len));
                let mut expected = [vec![0.0; x.len()], vec![0.0; weight.len()], vec![0.0; y.len()]];
                each_term(&convolution, |i, k, o| {
                    let [x, weight, y] = [x[i], weight[k], y[o]].map(f64::from);
                    expected[0][i] += weight * y;
                    expected[1][k] += x * y;
                    expected[2][o] += x * weight;
                });
                let passes = [ConvolutionPass::Input, ConvolutionPass::Weight, ConvolutionPass::Forward];
                for (place, pass) in passes.into_iter().enumerate() {
                    let mut given = [x.clone(), weight.clone(), y.clone()];
                    // What is written is overwritten.
                    given[place].fill(f32::NAN);
                    let [x, weight, y] = given.each_ref().map(|values| put(device, values));
                    let command = Command::Convolve(Convolution { pass, x, weight, y, ..convolution });
                    device.prepare(vec![command]).unwrap().run().unwrap();
                    let found = get(device, [x, weight, y][place], given[place].len());
                    let what = format!("{} in {precision}: {pass:?} of {convolution:?}", device.name());
                    assert_close(&what, &found, &expected[place], bound(precision, device.storage()));
                    [x, weight, y].into_iter().for_each(|address| device.release(address));
                }
            }
        }
    }
}
