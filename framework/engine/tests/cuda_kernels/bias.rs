//! Biases.

use crate::machine::{Runner, arguments, assert_close, on_every_machine, random};

#[test]
fn of_classifiers() {
    on_every_machine(|run| {
        // Fewer rows than a column has threads, and more; within one block of columns, and over two.
        for (rows, channels) in [(6, 19), (37, 32), (50, 33)] {
            check_classifier(run, rows, channels);
        }
    });
}

fn check_classifier(run: &Runner<'_>, rows: usize, channels: usize) {
    let (values, bias) = (random(5, rows * channels), random(6, channels));
    let (array, gradient) = (run.plain(&values), run.room(channels));
    let sizes = [rows as i32, channels as i32];
    let grid = [channels.div_ceil(32) as u32, 1, 1];
    run.launch("bias_gradient", grid, [32, 16, 1], arguments![array, gradient, sizes[0], sizes[1]]);
    let sums: Vec<f64> =
        (0..channels).map(|c| values.iter().skip(c).step_by(channels).map(|&v| f64::from(v)).sum()).collect();
    assert_close("bias gradient", &run.read(gradient), &sums, 1e-6);
    let arguments = arguments![array, run.plain(&bias), sizes[0], sizes[1]];
    run.launch_loop("add_bias", rows * channels, arguments);
    let biased = values.iter().enumerate().map(|(i, &v)| f64::from(v) + f64::from(bias[i % channels]));
    assert_close("biased", &run.read(array), &biased.collect::<Vec<_>>(), 1e-6);
}

#[test]
fn of_convolutions() {
    on_every_machine(|run| {
        let (pixels, channels) = (21, 5);
        let (map, stored) = run.real(&random(7, pixels * channels));
        let (bias, gradient) = (random(8, channels), run.room(channels));
        let sums = [1.5f64, -2.0, 0.25, 3.0, 1e-3, 9.0, 9.0, 9.0, 9.0, 9.0];
        run.launch("map_bias_gradient", [1, 1, 1], [32, 1, 1], arguments![run.plain(&sums), gradient, 5]);
        assert_close("gradient", &run.read(gradient), &sums[..channels], 1e-6);
        let arguments = arguments![map, run.plain(&bias), pixels as i32, channels as i32];
        run.launch_loop("add_map_bias", pixels * channels, arguments);
        let biased = stored.iter().enumerate().map(|(i, &v)| f64::from(v) + f64::from(bias[i % channels]));
        run.assert_real("biased", map, &biased.collect::<Vec<_>>());
    });
}
