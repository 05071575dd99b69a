//! Minimisation of functions that are written in dfdx.

use std::ops::Range;

use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, Matrix, TracedScalar};

use super::lbfgs;

/// Values of one matrix in a chunk: large enough to be efficient, small enough for several temporaries in memory.
const CHUNK_VALUES: usize = 1 << 20;

/// Rows in chunks, so that not all of them need fit into a tensor at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunks {
    samples: usize,
    rows: usize,
}

impl Chunks {
    /// Chunks of this many rows with this many columns each.
    pub(crate) fn new(samples: usize, columns: usize) -> Self {
        Self { samples, rows: (CHUNK_VALUES / columns.max(1)).max(1) }
    }

    /// The chunks in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.samples).step_by(self.rows).map(move |start| start..(start + self.rows).min(self.samples))
    }
}

/// A term of a sum, by its number and the parameters.
pub(crate) type Term<'a> = Box<dyn Fn(usize, &[Matrix]) -> TracedScalar + 'a>;

/// A function of matrices, given as a sum of terms that dfdx differentiates.
pub(crate) struct Problem<'a> {
    /// How many terms there are.
    pub(crate) terms: usize,
    /// One term for these parameters. They are not traced yet; tracing (`leaky_trace`) is what makes them variables.
    pub(crate) term: Term<'a>,
}

impl Problem<'_> {
    /// The parameters where the function is least, by L-BFGS from a start.
    pub(crate) fn minimize(&self, start: &[Matrix]) -> Vec<Matrix> {
        let device = Device::default();
        let shapes: Vec<(usize, usize)> = start.iter().map(|matrix| *matrix.shape()).collect();
        let flat = start.iter().flat_map(Matrix::as_vec).map(f64::from).collect();
        // A gradient below this is rounding of f32.
        let found = lbfgs(flat, 1e-6, 500, |x, gradient| self.evaluate(x, gradient, &shapes, &device));
        matrices(&found, &shapes, &device)
    }

    fn evaluate(&self, x: &[f64], gradient: &mut [f64], shapes: &[(usize, usize)], device: &Device) -> f64 {
        let parameters = matrices(x, shapes, device);
        gradient.fill(0.0);
        let mut value = 0.0;
        for term in 0..self.terms {
            let scalar = (self.term)(term, &parameters);
            value += f64::from(scalar.array());
            let gradients = scalar.backward();
            let found = parameters.iter().flat_map(|parameter| gradients.get(parameter).as_vec());
            gradient.iter_mut().zip(found).for_each(|(sum, g)| *sum += f64::from(g));
        }
        value
    }
}

fn matrices(flat: &[f64], shapes: &[(usize, usize)], device: &Device) -> Vec<Matrix> {
    let mut rest = flat;
    let take = |&(rows, columns): &(usize, usize)| {
        let (values, others) = rest.split_at(rows * columns);
        rest = others;
        device.tensor_from_vec(values.iter().map(|&value| value as f32).collect(), (rows, columns))
    };
    shapes.iter().map(take).collect()
}
