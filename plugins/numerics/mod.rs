//! Numerical methods that fitted components share.

mod lbfgs;
mod likelihood;
mod linear;
mod minimize;
mod row;
mod spline;

pub(crate) use lbfgs::lbfgs;
pub(crate) use likelihood::Likelihood;
pub(crate) use linear::{conjugate_gradients, solve};
pub(crate) use minimize::{Chunks, Problem};
pub(crate) use row::{argmax, log_sum_exp};
pub(crate) use spline::NaturalSpline;
