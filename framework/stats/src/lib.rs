//! Statistics over seeds and calibration metrics over predictions.
//!
//! The crate has two halves:
//!
//! * [`statistics`] works on **samples**: one number per seed. Means with intervals, paired and unpaired tests,
//!   resampling, effect sizes, corrections for many comparisons, and how many seeds a claim needs.
//! * [`calibration`] works on **predictions**: one row of class scores per image. Accuracy by class and by shot
//!   group, proper scores, calibration errors, reliability diagrams, selective prediction, expert diversity.
//!
//! It knows no training, reads no files and prints nothing. Everything random takes an explicit seed and is
//! reproducible for that seed.

pub mod calibration;
pub mod statistics;
