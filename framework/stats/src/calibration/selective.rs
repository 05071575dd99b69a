//! Selective prediction: how often is the model wrong on the rows that it is surest of?

use serde::{Deserialize, Serialize};

use super::evaluation::Evaluation;

/// The error rate when only the most confident rows are answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RiskPoint {
    /// The share of the weight that is answered, in (0, 1].
    pub coverage: f64,
    /// The error rate among the answered, in 0..=1.
    pub risk: f64,
}

/// The risk-coverage curve, one point per row in order of falling confidence (Geifman and El-Yaniv 2017).
///
/// Rows of equal confidence cannot be told apart, so each of them carries the mean error of them all: the curve that
/// answering them in random order gives on average. The order of the rows never matters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RiskCoverage {
    points: Vec<RiskPoint>,
}

impl Evaluation<'_> {
    /// The risk-coverage curve of the largest probability as confidence.
    pub fn risk_coverage(&self) -> RiskCoverage {
        let mut rows: Vec<(f64, bool, f64)> =
            self.rows().map(|(_, outcome, weight)| (outcome.confidence, outcome.correct(), weight)).collect();
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let total: f64 = rows.iter().map(|row| row.2).sum();
        let (mut answered, mut wrong) = (0.0, 0.0);
        let mut points = Vec::with_capacity(rows.len());
        for ties in rows.chunk_by(|a, b| a.0 == b.0) {
            let weight: f64 = ties.iter().map(|row| row.2).sum();
            let errors: f64 = ties.iter().filter(|row| !row.1).map(|row| row.2).sum();
            for row in ties {
                answered += row.2;
                wrong += row.2 * errors / weight;
                points.push(RiskPoint { coverage: (answered / total).min(1.0), risk: wrong / answered });
            }
        }
        RiskCoverage { points }
    }
}

impl RiskCoverage {
    /// The points, ascending in coverage; the last one answers every row.
    pub fn points(&self) -> &[RiskPoint] {
        &self.points
    }

    /// The area under the curve (AURC): the mean risk over all coverages, lower is better.
    pub fn area(&self) -> f64 {
        let (mut area, mut before) = (0.0, 0.0);
        for point in &self.points {
            area += (point.coverage - before) * point.risk;
            before = point.coverage;
        }
        area
    }

    /// The error rate among the most confident rows that make up at least `coverage` of the weight.
    ///
    /// 1 or more answers every row; 0 or less only the most confident one.
    pub fn risk_at(&self, coverage: f64) -> f64 {
        // Half a part in a billion forgives the rounding of `rows / total`.
        let first = self.points.partition_point(|point| point.coverage < coverage - 5e-10);
        self.points[first.min(self.points.len() - 1)].risk
    }
}
