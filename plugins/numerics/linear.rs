//! Linear systems.

/// The solution of a small dense system, by elimination with partial pivoting; `rows` are `[n][n]`. None if the matrix is
/// singular.
pub(crate) fn solve(mut rows: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let n = right.len();
    for column in 0..n {
        let pivot = (column..n).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        let size = rows[pivot][column].abs();
        if size == 0.0 || size.is_nan() {
            return None;
        }
        rows.swap(column, pivot);
        right.swap(column, pivot);
        let (above, below) = rows.split_at_mut(column + 1);
        let pivot = &above[column];
        for (offset, row) in below.iter_mut().enumerate() {
            let factor = row[column] / pivot[column];
            row[column..]
                .iter_mut()
                .zip(&pivot[column..])
                .for_each(|(value, pivot)| *value -= factor * pivot);
            right[column + 1 + offset] -= factor * right[column];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|column| rows[row][column] * right[column]).sum();
        right[row] = (right[row] - known) / rows[row][row];
    }
    Some(right)
}

/// The solution of `A x = right` for a symmetric positive definite `A`, known by its product with a vector, from a start.
pub(crate) fn conjugate_gradients(
    product: impl Fn(&[f64]) -> Vec<f64>,
    right: &[f64],
    mut x: Vec<f64>,
    iterations: usize,
) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut residual: Vec<f64> = right.iter().zip(product(&x)).map(|(right, found)| right - found).collect();
    let mut direction = residual.clone();
    let mut size = dot(&residual, &residual);
    let small = 1e-24 * dot(right, right);
    for _ in 0..iterations {
        if size <= small {
            break;
        }
        let image = product(&direction);
        let step = size / dot(&direction, &image);
        x.iter_mut().zip(&direction).for_each(|(x, d)| *x += step * d);
        residual.iter_mut().zip(&image).for_each(|(r, i)| *r -= step * i);
        let before = std::mem::replace(&mut size, dot(&residual, &residual));
        direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + size / before * *d);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solvers_invert_products() {
        let matrix = [[0.0, 2.0, 1.0], [2.0, 1.0, -1.0], [4.0, -1.0, 3.0]];
        let times =
            |x: &[f64]| matrix.iter().map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect();
        let x = [1.0, -2.0, 3.0];
        let found = solve(matrix.iter().map(|row| row.to_vec()).collect(), times(&x)).unwrap();
        assert!(found.iter().zip(x).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        assert_eq!(solve(vec![vec![1.0, 2.0], vec![2.0, 4.0]], vec![1.0, 1.0]), None);

        let transposed = |y: &[f64]| -> Vec<f64> {
            (0..3).map(|column| (0..3).map(|row| matrix[row][column] * y[row]).sum()).collect()
        };
        let square = |x: &[f64]| -> Vec<f64> { transposed(&Vec::from_iter::<Vec<f64>>(times(x))) };
        let found = conjugate_gradients(square, &square(&x), vec![0.0; 3], 10);
        assert!(found.iter().zip(x).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
    }
}
