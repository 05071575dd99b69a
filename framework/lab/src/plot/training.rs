//! What training measured, epoch by epoch.

use super::axis::Axis;
use super::canvas::{Chart, Key, Sign};
use super::comparison::Point;
use super::scale::Scale;
use super::svg::Px;
use super::theme::Role;

/// One quantity over the epochs, a line per arm: the mean over seeds in a band of its deviation.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingCurves {
    /// What it is about.
    pub title: String,
    /// What is measured, with its unit.
    pub measured: String,
    /// The arms.
    pub curves: Vec<Curve>,
}

/// One line of [`TrainingCurves`].
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// Epochs, from one and ascending, with what was measured in them.
    pub points: Vec<(usize, Point)>,
}

impl TrainingCurves {
    /// The drawing as an SVG document.
    pub fn svg(&self) -> String {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let values = points().flat_map(|(_, point)| band(*point));
        let last = points().map(|(epoch, _)| *epoch).max().unwrap_or(1).max(2);
        let description = self.description();
        let mut canvas = Chart {
            title: &self.title,
            description: &description,
            x: Axis::numbers("epoch", Scale::Linear { low: 0.0, high: last as f64 }, 6),
            y: Axis::numbers(self.measured.as_str(), Scale::from_zero(values), 5),
            legend: (0..)
                .zip(&self.curves)
                .map(|(position, curve)| Key { sign: Sign::Line(position), words: curve.name.clone() })
                .collect(),
            height: Some(210.0),
            strip: 0.0,
            above: 0.0,
            grid: true,
        }
        .canvas();
        for (position, curve) in self.curves.iter().enumerate() {
            let place = |epoch: usize, value: f64| (canvas.x(epoch as f64), canvas.y(value));
            let finite = || curve.points.iter().filter(|(_, point)| point.mean.is_finite());
            let upper = finite().map(|&(epoch, point)| place(epoch, band(point)[1]));
            let lower = finite().rev().map(|&(epoch, point)| place(epoch, band(point)[0]));
            let outline: Vec<String> =
                upper.chain(lower).map(|(x, y)| format!("{} {}", Px(x), Px(y))).collect();
            let line: Vec<_> = finite().map(|&(epoch, point)| Some(place(epoch, point.mean))).collect();
            let role = Role::Series(position);
            if curve.points.iter().any(|(_, point)| point.deviation.is_some()) {
                canvas.svg.element(
                    "path",
                    &[
                        ("class", &role.fill()),
                        ("fill", &role.colour()),
                        ("fill-opacity", &"0.18"),
                        ("d", &format!("M{}Z", outline.join("L"))),
                    ],
                );
            }
            canvas.path(position, &line);
        }
        canvas.finish()
    }

    fn description(&self) -> String {
        let curve = |curve: &Curve| {
            let (epoch, point) = curve.points.last()?;
            Some(format!("{} ends at {:.4} in epoch {epoch}", curve.name, point.mean))
        };
        let curves: Vec<String> = self.curves.iter().filter_map(curve).collect();
        format!("{} by epoch: {}.", self.measured, curves.join("; "))
    }
}

fn band(point: Point) -> [f64; 2] {
    let deviation = point.deviation.unwrap_or(0.0);
    [point.mean - deviation, point.mean + deviation]
}
