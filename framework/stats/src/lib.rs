//! Statistics over seeds and calibration metrics over predictions.
//!
//! The crate has two halves:
//!
//! * [`statistics`] works on **samples**: one number per seed. Means with intervals, paired and unpaired tests,
//!   resampling, effect sizes, corrections for many comparisons, and how many seeds a claim needs.
//! * [`calibration`] works on **predictions**: one row of class scores per image. Accuracy by class and by shot
//!   group, proper scores, calibration errors, reliability diagrams, selective prediction, expert diversity.
//!
//! | question | answer |
//! | --- | --- |
//! | mean over seeds, and how sure | [`Sample`](statistics::Sample): sd, t interval, interquartile mean, bootstrap |
//! | is A better than B, same seeds | [`Paired`](statistics::Paired): interval, paired t, Wilcoxon, sign flips, `d_z` |
//! | is A better than B, other seeds | [`Sample`](statistics::Sample): Welch, permutation, Hedges' g, Cliff's delta, almost stochastic order |
//! | … of many comparisons | [`holm`](statistics::holm), [`benjamini_hochberg`](statistics::benjamini_hochberg) |
//! | … on other images, too | [`ImageScores`](statistics::ImageScores), [`McNemar`](statistics::McNemar) |
//! | how many seeds are needed | [`seeds_needed`](statistics::seeds_needed), [`smallest_sign_flip_p`](statistics::smallest_sign_flip_p) |
//! | how good, for whom | [`Evaluation`](calibration::Evaluation): accuracy by class and shot group, NLL, Brier, confusion matrix |
//! | how honest | [`Reliability`](calibration::Reliability), [`ClassReliability`](calibration::ClassReliability), KDE and smooth ECE |
//! | when to abstain | [`RiskCoverage`](calibration::RiskCoverage) |
//! | how different the experts are | [`Diversity`](calibration::Diversity) |
//!
//! It knows no training, reads no files and prints nothing. Everything random takes an explicit seed and is
//! reproducible for that seed.

pub mod calibration;
pub mod statistics;
