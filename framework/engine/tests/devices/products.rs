//! Matrix products against plain loops.

use crate::arrays::{assert_close, bound, get_floats, put_floats, random};
use crate::devices::groups;
use balpoe_engine::cuda::{Command, Precision, Product, Storage};

#[test]
fn products_of_every_transposition_are_those_of_plain_loops() {
    for precision in Precision::ALL {
        for group in groups(1, precision) {
            let device = &*group[0];
            // The classifiers of CIFAR and iNaturalist, an odd batch, and one value.
            for [rows, columns, depth] in [[128, 100, 64], [3, 8142, 24], [7, 11, 13], [1, 1, 1]] {
                for transposed in [[false, false], [false, true], [true, false], [true, true]] {
                    let (a, b) = (random(1, rows * depth), random(2, depth * columns));
                    let at = |values: &[f32],
                              lies: bool,
                              [rows, columns]: [usize; 2],
                              row: usize,
                              column: usize| {
                        f64::from(if lies {
                            values[column * rows + row]
                        } else {
                            values[row * columns + column]
                        })
                    };
                    let factor = 30.0;
                    let mut expected = Vec::new();
                    for (row, column) in
                        (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)))
                    {
                        let terms = (0..depth).map(|i| {
                            let left = at(&a, transposed[0], [rows, depth], row, i);
                            left * at(&b, transposed[1], [depth, columns], i, column)
                        });
                        expected.push(30.0 * terms.sum::<f64>());
                    }
                    // The second factor lies where rows begin anywhere, as parameters in a row of parameters do.
                    let shifted: Vec<f32> = [0.0].iter().chain(&b).copied().collect();
                    let (first, second) = (put_floats(device, &a), put_floats(device, &shifted));
                    let result = put_floats(device, &vec![f32::NAN; rows * columns]);
                    let product = Product {
                        a: first,
                        b: second.offset(4),
                        c: result,
                        rows,
                        columns,
                        depth,
                        transposed,
                        factor,
                    };
                    device.prepare(vec![Command::Multiply(product)]).unwrap().run().unwrap();
                    let found = get_floats(device, result, rows * columns);
                    let what = format!("{} in {precision}: {product:?}", device.name());
                    assert_close(&what, &found, &expected, bound(precision, Storage::F32));
                    [first, second, result].into_iter().for_each(|address| device.release(address));
                }
            }
        }
    }
}
