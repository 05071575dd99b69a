//! A row-major product in column-major terms.

use crate::cuda::{Address, Product};

/// A dense column-major matrix: its leading dimension is the number of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Matrix {
    pub(super) address: Address,
    /// As it lies in memory.
    pub(super) rows: usize,
    /// As it lies in memory.
    pub(super) columns: usize,
    /// Whether it enters transposed.
    pub(super) transposed: bool,
}

/// `result = op(first) op(second)`, all column-major.
///
/// A row-major matrix is its own transpose when it is read by columns. So c = a b becomes cᵀ = bᵀ aᵀ: the factors change
/// places, and none is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ColumnMajor {
    pub(super) first: Matrix,
    pub(super) second: Matrix,
    pub(super) result: Matrix,
}

impl ColumnMajor {
    pub(super) fn of(product: &Product) -> Self {
        let Product { rows, columns, depth, transposed: [a, b], .. } = *product;
        let matrix = |address, rows, columns, transposed| {
            // Where it lies transposed, reading it by columns has put it right, and it must be turned back.
            let (rows, columns) = if transposed { (columns, rows) } else { (rows, columns) };
            Matrix { address, rows, columns, transposed }
        };
        Self {
            first: matrix(product.b, columns, depth, b),
            second: matrix(product.a, depth, rows, a),
            result: matrix(product.c, columns, rows, false),
        }
    }
}

impl Matrix {
    /// The largest power of two that divides its address, as far as cuBLASLt cares.
    pub(super) fn alignment(&self) -> u32 {
        1 << self.address.0.trailing_zeros().min(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a column-major matrix as it enters a product.
    fn at(values: &[f32], matrix: &Matrix, row: usize, column: usize) -> f32 {
        let (row, column) = if matrix.transposed { (column, row) } else { (row, column) };
        assert!(row < matrix.rows && column < matrix.columns);
        values[column * matrix.rows + row]
    }

    #[test]
    fn every_transposition_gives_the_row_major_product() {
        let (rows, columns, depth) = (3, 5, 2);
        let a: Vec<f32> = (0..rows * depth).map(|i| (i * i) as f32 - 7.0).collect();
        let b: Vec<f32> = (0..depth * columns).map(|i| 3.0 - (i % 4) as f32).collect();
        for transposed in [[false, false], [false, true], [true, false], [true, true]] {
            let places = [256, 8, 36].map(Address);
            let product = Product {
                a: places[0],
                b: places[1],
                c: places[2],
                rows,
                columns,
                depth,
                transposed,
                factor: 1.0,
            };
            let ColumnMajor { first, second, result } = ColumnMajor::of(&product);
            assert_eq!([second.address, first.address, result.address], places);
            assert_eq!([second, first, result].map(|matrix| matrix.alignment()), [256, 8, 4]);
            let read = |values: &[f32], lies: bool, row: usize, column: usize, shape: [usize; 2]| {
                if lies { values[column * shape[0] + row] } else { values[row * shape[1] + column] }
            };
            assert_eq!((result.rows, result.columns, result.transposed), (columns, rows, false));
            for row in 0..rows {
                for column in 0..columns {
                    let expected: f32 = (0..depth)
                        .map(|i| {
                            read(&a, transposed[0], row, i, [rows, depth])
                                * read(&b, transposed[1], i, column, [depth, columns])
                        })
                        .sum();
                    // By columns, the result's row is our column.
                    let found: f32 =
                        (0..depth).map(|i| at(&b, &first, column, i) * at(&a, &second, i, row)).sum();
                    assert_eq!(found, expected, "{transposed:?}");
                }
            }
        }
    }
}
