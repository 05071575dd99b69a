//! Corrections of predictions after training.

mod affine;
mod beta;
mod class_distribution_temperature;
mod dirichlet;
mod histogram_binning;
mod isotonic;
mod matrix;
mod one_vs_rest;
mod spline;
mod temperature;
mod toward;
mod vector;

pub use beta::Beta;
pub use class_distribution_temperature::ClassDistributionTemperature;
pub use dirichlet::Dirichlet;
pub use histogram_binning::{BinRule, HistogramBinning};
pub use isotonic::Isotonic;
pub use matrix::MatrixScaling;
pub use spline::Spline;
pub use temperature::Temperature;
pub use toward::Toward;
pub use vector::VectorScaling;
