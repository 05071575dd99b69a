//! Pooling with padding and overlap.

use crate::machine::{Argument, Plain, Runner, on_every_machine, random, value};

/// `Pooling` of the kernels.
#[derive(Clone, Copy)]
#[repr(C)]
struct Pooling {
    images: i32,
    size: [i32; 2],
    channels: i32,
    out: [i32; 2],
    kernel: [i32; 2],
    stride: [i32; 2],
    padding: [i32; 2],
}

impl Pooling {
    fn new(size: [i32; 2], kernel: [i32; 2], stride: [i32; 2], padding: [i32; 2]) -> Self {
        let out = [0, 1].map(|side| (size[side] + 2 * padding[side] - kernel[side]) / stride[side] + 1);
        Self { images: 2, size, channels: 5, out, kernel, stride, padding }
    }

    fn len(&self) -> usize {
        (self.images * self.size[0] * self.size[1] * self.channels) as usize
    }

    fn out_len(&self) -> usize {
        (self.images * self.out[0] * self.out[1] * self.channels) as usize
    }

    /// The kernels of maxima over such windows, and room for the winners.
    fn max(&self, run: &Runner<'_>) -> ([&'static str; 2], Plain) {
        if self.kernel[0] * self.kernel[1] > 256 {
            (["max_forward_large", "max_backward_large"], run.plain(&vec![-1i32; self.out_len()]))
        } else {
            (["max_forward", "max_backward"], run.plain(&vec![0xffu8; self.out_len()]))
        }
    }

    /// Places in the input under the window of a place in the output, in order.
    fn window(&self, out: usize) -> Vec<usize> {
        let [height, width, channels] = [self.out[0], self.out[1], self.channels].map(|n| n as usize);
        let (channel, x, y) = (out % channels, out / channels % width, out / channels / width % height);
        let image = out / channels / width / height;
        let mut places = Vec::new();
        for row in 0..self.kernel[0] {
            for column in 0..self.kernel[1] {
                let row = y as i32 * self.stride[0] + row - self.padding[0];
                let column = x as i32 * self.stride[1] + column - self.padding[1];
                if (0..self.size[0]).contains(&row) && (0..self.size[1]).contains(&column) {
                    let pixel = (image as i32 * self.size[0] + row) * self.size[1] + column;
                    places.push(pixel as usize * channels + channel);
                }
            }
        }
        places
    }
}

fn cases() -> [Pooling; 6] {
    [
        Pooling::new([7, 6], [3, 3], [2, 2], [1, 1]),
        Pooling::new([4, 4], [2, 2], [2, 2], [0, 0]),
        Pooling::new([5, 3], [3, 2], [1, 3], [1, 0]),
        // Over everything, as in front of a head.
        Pooling::new([8, 8], [8, 8], [8, 8], [0, 0]),
        // As many places in a window as a byte can tell, and more.
        Pooling::new([17, 18], [16, 16], [1, 2], [1, 0]),
        Pooling::new([18, 19], [17, 16], [2, 1], [0, 8]),
    ]
}

#[test]
fn averages_and_their_gradients() {
    on_every_machine(|run| {
        for pooling in cases() {
            let share = 1.0 / f64::from(pooling.kernel[0] * pooling.kernel[1]);
            let (x, xs) = run.real(&random(1, pooling.len()));
            let out = run.real_room(pooling.out_len());
            run.launch_loop(
                "average_forward",
                pooling.out_len(),
                &mut [x.into(), out.into(), value(pooling)],
            );
            let mean = |i: usize| share * pooling.window(i).iter().map(|&i| f64::from(xs[i])).sum::<f64>();
            run.assert_real("mean", out, &(0..pooling.out_len()).map(mean).collect::<Vec<_>>());

            let (dy, dys) = run.real(&random(2, pooling.out_len()));
            let dx = run.real_room(pooling.len());
            run.launch_loop("average_backward", pooling.len(), &mut [dy.into(), dx.into(), value(pooling)]);
            let mut expected = vec![0.0; pooling.len()];
            for (i, &dy) in dys.iter().enumerate() {
                pooling.window(i).iter().for_each(|&i| expected[i] += share * f64::from(dy));
            }
            run.assert_real("gradient", dx, &expected);
        }
    });
}

#[test]
fn the_first_largest_value_wins_and_gets_the_gradient() {
    on_every_machine(|run| {
        for pooling in cases() {
            // Few different values, so that there are ties.
            let coarse: Vec<f32> = random(3, pooling.len()).iter().map(|v| (v * 2.0).round()).collect();
            check_max(run, pooling, &coarse);
        }
    });
}

fn check_max(run: &Runner<'_>, pooling: Pooling, values: &[f32]) {
    let (x, xs) = run.real(values);
    let best = |i: usize| {
        let window = pooling.window(i);
        window.iter().copied().fold(window[0], |best, i| if xs[i] > xs[best] { i } else { best })
    };
    let ([forward, backward], winners) = pooling.max(run);
    let expected: Vec<f64> = (0..pooling.out_len()).map(|i| f64::from(xs[best(i)])).collect();
    // Evaluation keeps no winners.
    for kept in [Argument::from(0u64), winners.into()] {
        let out = run.real_room(pooling.out_len());
        run.launch_loop(forward, pooling.out_len(), &mut [x.into(), out.into(), kept, value(pooling)]);
        run.assert_real("largest", out, &expected);
    }

    let (dy, dys) = run.real(&random(4, pooling.out_len()));
    let dx = run.real_room(pooling.len());
    run.launch_loop(backward, pooling.len(), &mut [winners.into(), dy.into(), dx.into(), value(pooling)]);
    let mut expected = vec![0.0; pooling.len()];
    dys.iter().enumerate().for_each(|(i, &dy)| expected[best(i)] += f64::from(dy));
    run.assert_real("gradient", dx, &expected);
}

#[test]
fn what_is_not_a_number_wins() {
    on_every_machine(|run| {
        let pooling = Pooling::new([2, 2], [2, 2], [2, 2], [0, 0]);
        let mut values = vec![1.0; pooling.len()];
        values[5] = f32::NAN;
        let (x, _) = run.real(&values);
        let ([forward, backward], winners) = pooling.max(run);
        let out = run.real_room(pooling.out_len());
        let arguments = &mut [x.into(), out.into(), winners.into(), value(pooling)];
        run.launch_loop(forward, pooling.out_len(), arguments);
        let found = run.read_real(out);
        assert!(found[0].is_nan());
        assert!(found[1..].iter().all(|&value| value == 1.0));

        // And gets the gradient; elsewhere the first of equals does.
        let (dy, dys) = run.real(&random(5, pooling.out_len()));
        let dx = run.real_room(pooling.len());
        let arguments = &mut [winners.into(), dy.into(), dx.into(), value(pooling)];
        run.launch_loop(backward, pooling.len(), arguments);
        let gradient = run.read_real(dx);
        assert_eq!((gradient[5], gradient[0]), (dys[0], 0.0));
        assert_eq!(gradient[1..5], dys[1..5]);
    });
}
