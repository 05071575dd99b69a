//! Experts' scores of samples: in files, written as they are made, read some rows at a time, measured in one pass.

mod array;
mod compact;
mod files;
mod measurement;
mod npy;
mod pass;
mod sample_scores;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use compact::Form;
pub(crate) use measurement::{FittedOn, Measured, Measurement, TestSet};
pub(crate) use sample_scores::{SampleScores, parse_whole_numbers, whole_numbers};
pub(crate) use writer::ScoreWriter;
