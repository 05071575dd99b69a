//! What surrounds the products of heads.

use crate::machine::{Runner, arguments, assert_close, on_every_machine, random};

/// Unit rows and norms of a matrix, and where its norm is zero what the kernels make of it.
fn unit(rows: &[f64], features: usize) -> (Vec<f64>, Vec<f64>) {
    let norm = |row: &[f64]| row.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
    let norms: Vec<f64> = rows.chunks_exact(features).map(norm).collect();
    let unit =
        rows.chunks_exact(features).zip(&norms).flat_map(|(row, norm)| row.iter().map(move |v| v / norm));
    (unit.collect(), norms)
}

/// The gradient of a row from that of its unit vector, by central differences of `<d, row / |row|>`.
fn differences(row: &[f64], d: &[f64]) -> Vec<f64> {
    let product = |row: &[f64]| unit(row, row.len()).0.iter().zip(d).map(|(u, d)| u * d).sum::<f64>();
    let step = 1e-6;
    (0..row.len())
        .map(|i| {
            let (mut above, mut below) = (row.to_vec(), row.to_vec());
            above[i] += step;
            below[i] -= step;
            (product(&above) - product(&below)) / (2.0 * step)
        })
        .collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn transposed(values: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|c| values.iter().copied().skip(c).step_by(columns)).collect()
}

#[test]
fn features_become_unit_vectors_and_gradients_are_projected() {
    on_every_machine(|run| {
        let (rows, features) = (4, 70);
        let (x, xs) = run.real(&random(1, rows * features));
        let (units, norms) = (run.room(rows * features), run.room(rows));
        let (grid, block) = ([rows as u32, 1, 1], [32, 1, 1]);
        run.launch("unit_rows", grid, block, arguments![x, units, norms, features as i32]);
        let (expected, lengths) = unit(&wide(&xs), features);
        assert_close("unit rows", &run.read(units), &expected, 1e-6);
        assert_close("norms", &run.read(norms), &lengths, 1e-6);

        let d = random(2, rows * features);
        let dx = run.real_room(rows * features);
        run.launch("project_rows", grid, block, arguments![units, run.plain(&d), norms, dx, features as i32]);
        let (xs, d) = (wide(&xs), wide(&d));
        let expected =
            xs.chunks_exact(features).zip(d.chunks_exact(features)).flat_map(|(x, d)| differences(x, d));
        run.assert_real("gradient", dx, &expected.collect::<Vec<_>>());
    });
}

#[test]
fn so_do_the_columns_of_the_weight() {
    on_every_machine(|run| {
        // Fewer features than a column has threads, and as many columns as a block, fewer, and more.
        for (features, classes) in [(9, 21), (70, 32), (16, 45), (1, 33)] {
            check_columns(run, features, classes);
        }
    });
}

fn check_columns(run: &Runner<'_>, features: usize, classes: usize) {
    let weight = random(3, features * classes);
    let (units, norms) = (run.room(features * classes), run.room(classes));
    let (grid, block) = ([classes.div_ceil(32) as u32, 1, 1], [32, 16, 1]);
    let sizes = [features as i32, classes as i32];
    run.launch("unit_columns", grid, block, arguments![run.plain(&weight), units, norms, sizes[0], sizes[1]]);
    let columns = transposed(&wide(&weight), classes);
    let (expected, lengths) = unit(&columns, features);
    assert_close("unit columns", &run.read(units), &transposed(&expected, features), 1e-6);
    assert_close("norms", &run.read(norms), &lengths, 1e-6);

    let d = random(4, features * classes);
    let dw = run.room(features * classes);
    let device_d = run.plain(&d);
    run.launch("project_columns", grid, block, arguments![units, device_d, norms, dw, sizes[0], sizes[1]]);
    let d = transposed(&wide(&d), classes);
    let expected: Vec<f64> = columns
        .chunks_exact(features)
        .zip(d.chunks_exact(features))
        .flat_map(|(x, d)| differences(x, d))
        .collect();
    assert_close("gradient", &run.read(dw), &transposed(&expected, features), 2e-6);
}

#[test]
fn a_vector_of_zeros_projects_nothing_out() {
    on_every_machine(|run| {
        let (x, _) = run.real(&[0.0; 4]);
        let (units, norms, dx) = (run.room(4), run.room(1), run.real_room(4));
        run.launch("unit_rows", [1, 1, 1], [4, 1, 1], arguments![x, units, norms, 4]);
        assert_eq!(run.read(units), [0.0; 4]);
        let d = run.plain(&[1e-12f32; 4]);
        run.launch("project_rows", [1, 1, 1], [4, 1, 1], arguments![units, d, norms, dx, 4]);
        assert!(run.read_real(dx).iter().all(|value| (value - 1.0).abs() < 1e-6));
    });
}
