//! Linear and cosine classifiers: matrix products over the whole batch, cut into tiles by shape alone.

use super::memory::{Buffer, Shared};
use super::pool::ThreadPool;
use crate::EngineError;

/// A matrix in memory: where it starts and how far apart rows and columns are.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub(super) start: Shared,
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Matrix {
    pub(super) fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }
}

/// Rows and columns of a tile, the unit of work; each is one single-threaded product.
const TILE: [usize; 2] = [64, 256];

/// `target = factor left right` for `left` of `rows` x `depth` and `right` of `depth` x `columns`.
///
/// # Safety
/// The matrices must lie within their buffers, and nobody else may use `target` meanwhile.
pub(super) unsafe fn multiply(
    pool: &ThreadPool,
    [rows, depth, columns]: [usize; 3],
    factor: f32,
    left: Matrix,
    right: Matrix,
    target: Matrix,
) -> Result<(), EngineError> {
    let tiles = [rows.div_ceil(TILE[0]), columns.div_ceil(TILE[1])];
    pool.run(tiles[0] * tiles[1], &|_, tile| {
        let (row, column) = (tile / tiles[1] * TILE[0], tile % tiles[1] * TILE[1]);
        let (height, width) = (TILE[0].min(rows - row), TILE[1].min(columns - column));
        // SAFETY: tiles are disjoint parts of `target`, and all three matrices are as large as the caller vouches for.
        unsafe {
            gemm::gemm(
                height,
                width,
                depth,
                target.start.at(row * target.row + column * target.column),
                target.column.cast_signed(),
                target.row.cast_signed(),
                false,
                left.start.at(row * left.row).cast_const(),
                left.column.cast_signed(),
                left.row.cast_signed(),
                right.start.at(column * right.column).cast_const(),
                right.column.cast_signed(),
                right.row.cast_signed(),
                0.0,
                factor,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    })
}

/// Smallest norm that a vector is divided by.
const SMALLEST_NORM: f32 = 1e-12;

/// What a classifier keeps between the passes. Matrices are `[batch, features]` and `[classes, features]`.
pub(super) struct Classifier {
    features: usize,
    classes: usize,
    /// `None` for a linear classifier, the factor on the cosine for a cosine classifier.
    scale: Option<f32>,
    /// The weight with unit columns, `[features, classes]`, and their norms.
    weight: Buffer,
    weight_norms: Vec<f32>,
    /// Features of unit norm, `[batch, features]`, and their norms.
    unit: Buffer,
    norms: Buffer,
    /// Gradients with respect to unit features and unit weight.
    unit_gradient: Buffer,
    weight_gradient: Buffer,
}

/// The batch that a classifier works on: pixels of `stride` values, the rest of the stride zero.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) start: Shared,
    pub(super) stride: usize,
    pub(super) batch: usize,
}

impl Rows {
    fn matrix(self) -> Matrix {
        Matrix { start: self.start, row: self.stride, column: 1 }
    }

    /// Zeroes what lies between the last value of a row and the next row.
    fn clear_padding(self, values: usize) {
        for row in 0..self.batch {
            // SAFETY: whoever made the rows vouches that they are ours to write.
            unsafe { self.start.slice_mut(row * self.stride + values, self.stride - values) }.fill(0.0);
        }
    }
}

impl Classifier {
    pub(super) fn new(features: usize, classes: usize, scale: Option<f32>, max_batch: usize) -> Self {
        let cosine = |len: usize| Buffer::zeroed(if scale.is_some() { len } else { 0 });
        Self {
            features,
            classes,
            scale,
            weight: cosine(features * classes),
            weight_norms: vec![0.0; if scale.is_some() { classes } else { 0 }],
            unit: cosine(max_batch * features),
            norms: cosine(max_batch),
            unit_gradient: cosine(max_batch * features),
            weight_gradient: cosine(features * classes),
        }
    }

    /// Logits of a batch, padded with zeros to their stride. The weight is as the parameter is stored: `[classes, features]` for a linear classifier,
    /// `[features, classes]` for a cosine classifier.
    pub(super) fn forward(
        &mut self,
        pool: &ThreadPool,
        weight: &[f32],
        bias: Option<&[f32]>,
        x: Rows,
        logits: Rows,
    ) -> Result<(), EngineError> {
        let (features, classes) = (self.features, self.classes);
        let sizes = [x.batch, features, classes];
        logits.clear_padding(classes);
        if let Some(scale) = self.scale {
            self.normalise_weight(weight);
            self.normalise_features(x);
            let unit = Matrix { start: self.unit.shared(), row: features, column: 1 };
            let weight = Matrix { start: self.weight.shared(), row: classes, column: 1 };
            // SAFETY: sizes are those that the buffers were made for; the logits are ours to write.
            return unsafe { multiply(pool, sizes, scale, unit, weight, logits.matrix()) };
        }
        let weight = Matrix { start: Shared::reading(weight), row: 1, column: features };
        // SAFETY: as above.
        unsafe { multiply(pool, sizes, 1.0, x.matrix(), weight, logits.matrix())? };
        if let Some(bias) = bias {
            for row in 0..logits.batch {
                // SAFETY: the row lies within the logits, which nobody else uses now.
                let row = unsafe { logits.start.slice_mut(row * logits.stride, classes) };
                row.iter_mut().zip(bias).for_each(|(logit, bias)| *logit += bias);
            }
        }
        Ok(())
    }

    fn normalise_weight(&mut self, weight: &[f32]) {
        let mut squares = vec![0f64; self.classes];
        for row in weight.chunks_exact(self.classes) {
            for (square, &value) in squares.iter_mut().zip(row) {
                *square += f64::from(value) * f64::from(value);
            }
        }
        for (norm, square) in self.weight_norms.iter_mut().zip(&squares) {
            *norm = at_least_smallest(square.sqrt() as f32);
        }
        let rows = self.weight.chunks_exact_mut(self.classes).zip(weight.chunks_exact(self.classes));
        for (unit, row) in rows {
            for ((unit, &value), &norm) in unit.iter_mut().zip(row).zip(&self.weight_norms) {
                *unit = value / norm;
            }
        }
    }

    fn normalise_features(&mut self, x: Rows) {
        for (row, unit) in self.unit.chunks_exact_mut(self.features).take(x.batch).enumerate() {
            // SAFETY: the row lies within the features, which nobody writes now.
            let values = unsafe { x.start.slice(row * x.stride, self.features) };
            let square: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
            let norm = at_least_smallest(square.sqrt() as f32);
            self.norms[row] = norm;
            for (unit, &value) in unit.iter_mut().zip(values) {
                *unit = value / norm;
            }
        }
    }

    /// Gradients of weight and bias, overwritten, and of the features: `dx` receives them `[batch, features]` padded
    /// with zeros to its stride.
    pub(super) fn backward(
        &mut self,
        pool: &ThreadPool,
        weight: &[f32],
        (weight_gradient, bias_gradient): (&mut [f32], Option<&mut [f32]>),
        x: Rows,
        dlogits: Rows,
        dx: Rows,
    ) -> Result<(), EngineError> {
        let (features, classes, batch) = (self.features, self.classes, x.batch);
        dx.clear_padding(features);
        if let Some(scale) = self.scale {
            let unit = Matrix { start: self.unit.shared(), row: features, column: 1 };
            let unit_gradient = Matrix { start: self.unit_gradient.shared(), row: features, column: 1 };
            let unit_weight = Matrix { start: self.weight.shared(), row: classes, column: 1 };
            let gradient = Matrix { start: self.weight_gradient.shared(), row: classes, column: 1 };
            let dlogits = dlogits.matrix();
            // SAFETY: sizes are those that the buffers were made for; the targets are our own.
            unsafe {
                let sizes = [batch, classes, features];
                multiply(pool, sizes, scale, dlogits, unit_weight.transposed(), unit_gradient)?;
                multiply(pool, [features, batch, classes], scale, unit.transposed(), dlogits, gradient)?;
            }
            self.project_features(dx);
            self.project_weight(weight_gradient);
            return Ok(());
        }
        let weight = Matrix { start: Shared::reading(weight), row: features, column: 1 };
        let gradient = Matrix { start: Shared::writing(weight_gradient), row: features, column: 1 };
        // SAFETY: as above.
        unsafe {
            multiply(pool, [batch, classes, features], 1.0, dlogits.matrix(), weight, dx.matrix())?;
            let sizes = [classes, batch, features];
            multiply(pool, sizes, 1.0, dlogits.matrix().transposed(), x.matrix(), gradient)?;
        }
        if let Some(bias_gradient) = bias_gradient {
            let mut sums = vec![0f64; classes];
            for row in 0..batch {
                // SAFETY: the row lies within the gradients, which nobody writes now.
                let row = unsafe { dlogits.start.slice(row * dlogits.stride, classes) };
                sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
            }
            bias_gradient.iter_mut().zip(sums).for_each(|(gradient, sum)| *gradient = sum as f32);
        }
        Ok(())
    }

    /// `dx = (d - u <u, d>) / |x|` for unit features `u` and their gradient `d`.
    fn project_features(&self, dx: Rows) {
        let rows = self.unit.chunks_exact(self.features).zip(self.unit_gradient.chunks_exact(self.features));
        for (row, (unit, gradient)) in rows.take(dx.batch).enumerate() {
            // SAFETY: the row lies within the gradient, which nobody else uses now.
            let dx = unsafe { dx.start.slice_mut(row * dx.stride, self.features) };
            let dot: f64 = unit.iter().zip(gradient).map(|(&u, &d)| f64::from(u) * f64::from(d)).sum();
            let (dot, norm) = (clamped(dot as f32, self.norms[row]), self.norms[row]);
            for ((dx, &unit), &gradient) in dx.iter_mut().zip(unit).zip(gradient) {
                *dx = (gradient - unit * dot) / norm;
            }
        }
    }

    /// The same for each column of the weight.
    fn project_weight(&self, weight_gradient: &mut [f32]) {
        let mut dots = vec![0f64; self.classes];
        let rows =
            || self.weight.chunks_exact(self.classes).zip(self.weight_gradient.chunks_exact(self.classes));
        for (unit, gradient) in rows() {
            for ((dot, &unit), &gradient) in dots.iter_mut().zip(unit).zip(gradient) {
                *dot += f64::from(unit) * f64::from(gradient);
            }
        }
        let dots: Vec<f32> =
            dots.iter().zip(&self.weight_norms).map(|(&dot, &norm)| clamped(dot as f32, norm)).collect();
        for ((unit, gradient), target) in rows().zip(weight_gradient.chunks_exact_mut(self.classes)) {
            for class in 0..self.classes {
                target[class] = (gradient[class] - unit[class] * dots[class]) / self.weight_norms[class];
            }
        }
    }
}

/// The norm to divide by; what is not a number stays so.
fn at_least_smallest(norm: f32) -> f32 {
    if norm < SMALLEST_NORM { SMALLEST_NORM } else { norm }
}

/// Where the norm was taken as the smallest one it is a constant, and nothing is projected out.
fn clamped(dot: f32, norm: f32) -> f32 {
    if norm > SMALLEST_NORM { dot } else { 0.0 }
}
