//! Reliability diagrams: is a prediction right as often as it is sure?

use balpoe_stats::calibration::ReliabilityBin;

use super::axis::Axis;
use super::canvas::{Chart, Key, Sign};
use super::scale::Scale;
use super::theme::Role;

/// How opaque accuracy is as far as confidence claims it.
const HELD: f64 = 0.75;

/// How opaque the gap between accuracy and confidence is.
const GAP: f64 = 0.3;

/// Accuracy against confidence in bins, the gap between them, and below how many predictions each bin holds. The dashed diagonal
/// is where a calibrated predictor's bars end.
#[derive(Clone, Debug, PartialEq)]
pub struct ReliabilityDiagram {
    /// What it is about, such as the name of an arm.
    pub title: String,
    /// A figure to print beside it, such as the calibration error; may be empty.
    pub figure: String,
    /// The bins that hold predictions.
    pub bins: Vec<ReliabilityBin>,
}

impl ReliabilityDiagram {
    /// The drawing as an SVG document.
    pub fn svg(&self) -> String {
        let total: f64 = self.bins.iter().map(|bin| bin.weight).sum();
        let whole = Scale::Linear { low: 0.0, high: 1.0 };
        let mut canvas = Chart {
            title: &self.title,
            description: &self.description(total),
            x: percent("confidence (%)", whole),
            y: percent("accuracy (%)", whole),
            legend: vec![
                Key { sign: Sign::Area(Role::Right, HELD), words: "accuracy".to_owned() },
                Key { sign: Sign::Area(Role::Wrong, GAP), words: "overconfident".to_owned() },
                Key { sign: Sign::Area(Role::Right, GAP), words: "underconfident".to_owned() },
            ],
            height: None,
            strip: 40.0,
            above: 0.0,
            grid: true,
        }
        .canvas();
        for bin in &self.bins {
            let (left, right) = (canvas.x(bin.low) + 0.5, canvas.x(bin.high) - 0.5);
            let hint = hint(bin, total);
            let (zero, accuracy, confidence) =
                (canvas.y(0.0), canvas.y(bin.accuracy), canvas.y(bin.confidence));
            // Down the page, larger figures stand higher.
            canvas.rectangle(Role::Right, (left, zero), (right, accuracy.max(confidence)), HELD, &hint);
            let gap = if bin.gap() > 0.0 { Role::Wrong } else { Role::Right };
            canvas.rectangle(gap, (left, accuracy), (right, confidence), GAP, &hint);
            canvas.line(Role::Wrong, (left, confidence), (right, confidence), 1.5, "none");
        }
        let diagonal = ((canvas.x(0.0), canvas.y(0.0)), (canvas.x(1.0), canvas.y(1.0)));
        canvas.line(Role::Muted, diagonal.0, diagonal.1, 1.2, "4 3");
        let corner = (canvas.area.left + 8.0, canvas.area.top + 16.0);
        canvas.text(Role::Ink, corner, "start", &self.figure);

        let most = self.bins.iter().map(|bin| bin.weight).fold(0.0, f64::max);
        let strip = canvas.strip;
        for bin in &self.bins {
            let (left, right) = (canvas.x(bin.low) + 0.5, canvas.x(bin.high) - 0.5);
            let top = strip.bottom() - bin.weight / most * strip.height;
            canvas.rectangle(Role::Muted, (left, strip.bottom()), (right, top), 0.6, &hint(bin, total));
        }
        canvas.text(Role::Muted, (strip.left - 6.0, strip.top + 12.0), "end", "images");
        canvas.finish()
    }

    fn description(&self, total: f64) -> String {
        let bins: Vec<String> = self.bins.iter().map(|bin| hint(bin, total)).collect();
        if bins.is_empty() {
            "No predictions.".to_owned()
        } else {
            format!("{} {}.", self.figure, bins.join("; "))
        }
    }
}

fn percent(label: &str, scale: Scale) -> Axis {
    let ticks = (0..=5).map(|fifth| (f64::from(fifth) / 5.0, format!("{}", fifth * 20))).collect();
    Axis { label: label.to_owned(), scale, ticks }
}

fn hint(bin: &ReliabilityBin, total: f64) -> String {
    format!(
        "confidence {:.1} %, accuracy {:.1} %, {:.1} % of the images",
        bin.confidence * 100.0,
        bin.accuracy * 100.0,
        bin.weight / total * 100.0
    )
}
