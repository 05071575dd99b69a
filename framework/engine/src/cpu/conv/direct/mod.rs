//! Direct convolution: any kernel, stride, padding and grouping, sums in registers.

mod algorithm;

mod panels;
mod passes;

pub(super) use algorithm::Direct;
