//! Seeds that two arms have in common.

use balpoe_stats::statistics::Paired;

use super::experiment::{Series, sample};

/// The level of the tests between arms.
pub(super) const ALPHA: f64 = 0.05;

/// The values of the seeds that both have; `None` when they share no seed.
pub(crate) fn paired(treatment: &Series, baseline: &Series) -> Option<Paired> {
    let common = |of: &Series, other: &Series| -> Series {
        of.iter().filter(|(seed, _)| other.contains_key(seed)).map(|(seed, value)| (*seed, *value)).collect()
    };
    let treatment_sample = sample(&common(treatment, baseline))?;
    Paired::new(&treatment_sample, &sample(&common(baseline, treatment))?).ok()
}
