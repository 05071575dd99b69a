//! Which series are compared.

use balpoe_stats::statistics::{Paired, Sample};

use super::Comparison;
use crate::summary::{Experiment, Key, Metric, Subject, paired, sample};
use crate::table::Direction;

/// An arm and the baseline, by one metric.
pub(super) struct Pair {
    /// `treatment − baseline`.
    pub(super) name: String,
    pub(super) metric: Metric,
    /// All seeds of the arm, in the unit of the tables.
    pub(super) treatment: Sample,
    /// All seeds of the baseline.
    pub(super) baseline: Sample,
    /// Differences by seed, over the seeds that both have; none if they share no seed.
    pub(super) paired: Option<Paired>,
}

/// Every other arm against the baseline, metric by metric, where both have figures.
pub(super) fn pairs(experiment: &Experiment, comparison: &Comparison) -> Vec<Pair> {
    let Some(baseline) = experiment.baseline() else { return Vec::new() };
    let measured = experiment.metrics(Subject::Ensemble, &comparison.distribution);
    let wanted = |metric: &Metric| comparison.metrics.is_empty() || comparison.metrics.contains(metric);
    let metrics: Vec<Metric> = measured.into_iter().filter(wanted).collect();
    let mut pairs = Vec::new();
    for arm in experiment.arms().iter().filter(|arm| arm.name != baseline.name) {
        for &metric in &metrics {
            let key = Key::new(Subject::Ensemble, &comparison.distribution, metric);
            let (ours, theirs) = (arm.series(&key), baseline.series(&key));
            if let (Some(treatment), Some(base)) = (sample(&ours), sample(&theirs)) {
                let name = format!("{} − {}", arm.name, baseline.name);
                let paired = paired(&ours, &theirs);
                pairs.push(Pair { name, metric, treatment, baseline: base, paired });
            }
        }
    }
    pairs
}

impl Pair {
    /// The number of seeds that both have.
    pub(super) fn n(&self) -> usize {
        self.paired.as_ref().map_or(0, |paired| paired.differences().n())
    }

    /// Treatment and baseline, mirrored where lower is better: larger is better in both.
    pub(super) fn larger_is_better(&self) -> (Sample, Sample) {
        let mirrored = |sample: &Sample| {
            let values: Vec<f64> = sample.values().iter().map(|value| -value).collect();
            Sample::new(values).unwrap_or_else(|_| sample.clone())
        };
        match self.metric.direction() {
            Direction::HigherIsBetter => (self.treatment.clone(), self.baseline.clone()),
            Direction::LowerIsBetter => (mirrored(&self.treatment), mirrored(&self.baseline)),
        }
    }
}
