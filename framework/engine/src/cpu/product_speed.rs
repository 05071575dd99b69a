use super::classifier::{Matrix, multiply};
use super::measure::{best_seconds, noise};
use super::memory::Buffer;
use super::pool::ThreadPool;
use crate::EngineError;

/// Speed of the matrix products of a classifier.
#[derive(Clone, Debug)]
pub struct ProductSpeed {
    /// Multiply-adds of one product.
    pub multiply_adds: usize,
    /// Bytes of the three matrices, each counted once.
    pub bytes: usize,
    /// Seconds of the logits, of the features' gradient and of the weight's gradient: minima.
    pub seconds: [f64; 3],
}

impl ProductSpeed {
    /// Measures the products for features `[batch, features]` and a weight `[features, classes]`.
    ///
    /// # Errors
    /// If a computation panicked.
    pub fn measure(
        pool: &ThreadPool,
        batch: usize,
        features: usize,
        classes: usize,
    ) -> Result<Self, EngineError> {
        let matrix =
            |buffer: &Buffer, columns: usize| Matrix { start: buffer.shared(), row: columns, column: 1 };
        let [x, weight, logits] = [batch * features, features * classes, batch * classes].map(noise);
        let [dx, gradient] = [batch * features, features * classes].map(Buffer::zeroed);
        let (x, dx) = (matrix(&x, features), matrix(&dx, features));
        let (weight, gradient, logits) =
            (matrix(&weight, classes), matrix(&gradient, classes), matrix(&logits, classes));
        let products = [
            ([batch, features, classes], x, weight, logits),
            ([batch, classes, features], logits, weight.transposed(), dx),
            ([features, batch, classes], x.transposed(), logits, gradient),
        ];
        let mut seconds = [0.0; 3];
        for (seconds, (sizes, left, right, target)) in seconds.iter_mut().zip(products) {
            let mut failed = None;
            *seconds = best_seconds(|| {
                // SAFETY: the buffers have these sizes, and nobody else knows them.
                failed = unsafe { multiply(pool, sizes, 1.0, left, right, target) }.err().or(failed.take());
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
        let values = batch * features + features * classes + batch * classes;
        Ok(Self { multiply_adds: batch * features * classes, bytes: values * size_of::<f32>(), seconds })
    }
}
