use crate::cpu::simd::{Simd, Vector};

/// `B^T` on one axis: six inputs to the tile's transform.
#[inline(always)]
fn input_axis<S: Simd>(simd: S, d: [S::Vector; 6]) -> [S::Vector; 6] {
    let (two, four, five) = (simd.splat(2.0), simd.splat(4.0), simd.splat(5.0));
    let even = d[2].neg_mul_add(four, d[4]);
    let odd = d[1].neg_mul_add(four, d[3]);
    let (even_difference, odd_difference) = (d[4] - d[2], d[3] - d[1]);
    [
        d[0].mul_add(four, d[2].neg_mul_add(five, d[4])),
        even + odd,
        even - odd,
        odd_difference.mul_add(two, even_difference),
        odd_difference.neg_mul_add(two, even_difference),
        d[1].mul_add(four, d[3].neg_mul_add(five, d[5])),
    ]
}

/// `A^T` on one axis: six products to four outputs.
#[inline(always)]
fn output_axis<S: Simd>(simd: S, m: [S::Vector; 6]) -> [S::Vector; 4] {
    let (one_sum, one_difference) = (m[1] + m[2], m[1] - m[2]);
    let (two_sum, two_difference) = (m[3] + m[4], m[3] - m[4]);
    [
        m[0] + (one_sum + two_sum),
        two_difference.mul_add(simd.splat(2.0), one_difference),
        two_sum.mul_add(simd.splat(4.0), one_sum),
        two_difference.mul_add(simd.splat(8.0), one_difference + m[5]),
    ]
}

/// `A` on one axis, the transpose of [`output_axis`]: four gradients of outputs to six of products.
#[inline(always)]
fn gradient_axis<S: Simd>(simd: S, y: [S::Vector; 4]) -> [S::Vector; 6] {
    let (two, four) = (simd.splat(2.0), simd.splat(4.0));
    let (even, odd) = (y[0] + y[2], y[1] + y[3]);
    let (even_two, odd_two) = (y[2].mul_add(four, y[0]), two * y[3].mul_add(four, y[1]));
    [y[0], even + odd, even - odd, even_two + odd_two, even_two - odd_two, y[3]]
}

/// `G` on one axis: three weights to six.
#[inline(always)]
fn weight_axis<S: Simd>(simd: S, g: [S::Vector; 3]) -> [S::Vector; 6] {
    let (sixth, twelfth) = (simd.splat(-1.0 / 6.0), simd.splat(1.0 / 12.0));
    let outer = g[0] + g[2];
    let outer_two = g[2].mul_add(simd.splat(4.0), g[0]) * simd.splat(1.0 / 24.0);
    [
        g[0] * simd.splat(0.25),
        (outer + g[1]) * sixth,
        (outer - g[1]) * sixth,
        g[1].mul_add(twelfth, outer_two),
        g[1].neg_mul_add(twelfth, outer_two),
        g[2],
    ]
}

/// `G^T` on one axis: six sums to the gradients of three weights.
#[inline(always)]
fn weight_gradient_axis<S: Simd>(simd: S, u: [S::Vector; 6]) -> [S::Vector; 3] {
    let (sixth, twelfth) = (simd.splat(-1.0 / 6.0), simd.splat(1.0 / 12.0));
    let (one, two) = ((u[1] + u[2]) * sixth, u[3] + u[4]);
    [
        u[0].mul_add(simd.splat(0.25), two.mul_add(simd.splat(1.0 / 24.0), one)),
        (u[2] - u[1]).neg_mul_add(sixth, (u[3] - u[4]) * twelfth),
        two.neg_mul_add(sixth, one) + u[5],
    ]
}

/// A square of vectors in memory: values from a row to the next and from a column to the next.
#[derive(Clone, Copy)]
pub(super) struct Square<P> {
    pub(super) first: P,
    pub(super) row: usize,
    pub(super) column: usize,
}

/// Defines a transform of both axes, from a square of vectors to another.
macro_rules! two_dimensional {
    ($(#[$doc:meta])* $name:ident, $axis:ident, $from:literal, $to:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The source must be readable and the target writable, one vector at each place.
        #[inline(always)]
        pub(super) unsafe fn $name<S: Simd>(simd: S, source: Square<*const f32>, target: Square<*mut f32>) {
            let mut half = [[simd.zero(); $from]; $to];
            for column in 0..$from {
                let mut values = [simd.zero(); $from];
                for (row, value) in values.iter_mut().enumerate() {
                    // SAFETY: the caller vouches for the source.
                    *value = unsafe { simd.load_from(source.first.add(row * source.row + column * source.column)) };
                }
                let values = $axis(simd, values);
                for row in 0..$to {
                    half[row][column] = values[row];
                }
            }
            for (row, values) in half.iter().enumerate() {
                for (column, value) in $axis(simd, *values).iter().enumerate() {
                    // SAFETY: the caller vouches for the target.
                    unsafe { value.store_to(target.first.add(row * target.row + column * target.column)) }
                }
            }
        }
    };
}

two_dimensional! {
    /// `B^T d B`: a 6x6 tile of the input.
    input_tile, input_axis, 6, 6
}
two_dimensional! {
    /// `A^T m A`: the 36 products of a tile to its 4x4 outputs.
    output_tile, output_axis, 6, 4
}
two_dimensional! {
    /// `A y A^T`: the 4x4 output gradients of a tile.
    gradient_tile, gradient_axis, 4, 6
}
two_dimensional! {
    /// `G g G^T`: a 3x3 kernel.
    weight_kernel, weight_axis, 3, 6
}
two_dimensional! {
    /// `G^T u G`: sums over tiles to the gradient of a 3x3 kernel.
    weight_gradient_kernel, weight_gradient_axis, 6, 3
}
