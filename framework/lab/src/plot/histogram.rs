//! Histograms of right and wrong predictions.

use balpoe_stats::calibration::Histogram;

use super::axis::Axis;
use super::canvas::{Chart, Key, Sign};
use super::scale::Scale;
use super::theme::Role;

/// A histogram of confidences or entropies: wrong predictions stand on right ones.
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeHistogram {
    /// What it is about.
    pub title: String,
    /// What is counted, with its unit, such as `confidence`.
    pub measured: String,
    /// The weights of the bins.
    pub histogram: Histogram,
}

impl OutcomeHistogram {
    /// The drawing as an SVG document.
    pub fn svg(&self) -> String {
        let Histogram { high, right, wrong } = &self.histogram;
        let total: f64 = right.iter().chain(wrong).sum();
        let percent = |weight: f64| if total > 0.0 { weight / total * 100.0 } else { 0.0 };
        let shares: Vec<(f64, f64)> =
            right.iter().zip(wrong).map(|(&right, &wrong)| (percent(right), percent(wrong))).collect();
        let x = Scale::Linear { low: 0.0, high: if *high > 0.0 { *high } else { 1.0 } };
        let (rights, wrongs) =
            shares.iter().fold((0.0, 0.0), |sum, share| (sum.0 + share.0, sum.1 + share.1));
        let description = format!(
            "{}; {rights:.1} % of the images are predicted right, {wrongs:.1} % wrong.",
            self.measured
        );
        let mut canvas = Chart {
            title: &self.title,
            description: &description,
            x: Axis::numbers(self.measured.as_str(), x, 6),
            y: Axis::numbers(
                "images (%)",
                Scale::from_zero(shares.iter().map(|(right, wrong)| right + wrong)),
                5,
            ),
            legend: vec![
                Key { sign: Sign::Area(Role::Right, 0.85), words: "right".to_owned() },
                Key { sign: Sign::Area(Role::Wrong, 0.45), words: "wrong".to_owned() },
            ],
            height: Some(190.0),
            strip: 0.0,
            above: 0.0,
            grid: true,
        }
        .canvas();
        let edge = |bin: usize| bin as f64 / shares.len() as f64 * high;
        for (bin, &(right, wrong)) in shares.iter().enumerate() {
            let (from, to) = (canvas.x(edge(bin)) + 0.4, canvas.x(edge(bin + 1)) - 0.4);
            let hint =
                format!("{:.2} to {:.2}: {right:.1} % right, {wrong:.1} % wrong", edge(bin), edge(bin + 1));
            let (zero, middle, top) = (canvas.y(0.0), canvas.y(right), canvas.y(right + wrong));
            if right > 0.0 {
                canvas.rectangle(Role::Right, (from, zero), (to, middle), 0.85, &hint);
            }
            if wrong > 0.0 {
                canvas.rectangle(Role::Wrong, (from, middle), (to, top), 0.45, &hint);
            }
        }
        canvas.finish()
    }
}
