//! Matrix products in plain loops.

use balpoe_engine::cuda::Product;

/// `factor op(a) op(b)`.
pub(crate) fn multiply(product: &Product, a: &[f32], b: &[f32]) -> Vec<f32> {
    let Product { rows, columns, depth, .. } = *product;
    let a = if product.transposed[0] { transposed(a, depth, rows) } else { a.to_vec() };
    let b = if product.transposed[1] { transposed(b, columns, depth) } else { b.to_vec() };
    let mut c = vec![0.0; rows * columns];
    for (row, c) in c.chunks_exact_mut(columns.max(1)).enumerate() {
        for (k, b) in b.chunks_exact(columns.max(1)).enumerate() {
            let factor = a[row * depth + k];
            c.iter_mut().zip(b).for_each(|(c, b)| *c += factor * b);
        }
        c.iter_mut().for_each(|c| *c *= product.factor);
    }
    c
}

/// The transpose of a matrix of `rows` rows.
fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}
