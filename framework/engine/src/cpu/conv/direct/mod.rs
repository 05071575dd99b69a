//! Direct convolution: any kernel, stride, padding and grouping, sums in registers.

mod algorithm;
mod correlate;
mod geometry;
mod outer;
mod panels;

pub(super) use algorithm::Direct;
