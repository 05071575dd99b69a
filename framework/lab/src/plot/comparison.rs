//! Means with their deviation over a few named conditions, one series per arm or expert.

use super::axis::Axis;
use super::canvas::{Chart, Key, Sign};
use super::marks::marker;
use super::scale::Scale;
use super::theme::Role;

/// Series over named conditions: accuracy over the test distributions by arm, or over shot groups by expert.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What it is about.
    pub title: String,
    /// What the conditions are.
    pub conditions_are: String,
    /// The conditions, from left to right.
    pub conditions: Vec<String>,
    /// What is measured, with its unit.
    pub measured: String,
    /// Whether the conditions have an order, so that lines between them mean something.
    pub ordered: bool,
    /// The series.
    pub series: Vec<Series>,
}

/// One line of a [`Comparison`].
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// One point per condition; `None` where there is no figure.
    pub points: Vec<Option<Point>>,
}

/// A mean and its sample standard deviation, where there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The mean.
    pub mean: f64,
    /// The deviation over seeds.
    pub deviation: Option<f64>,
}

impl Point {
    fn ends(self) -> [f64; 2] {
        let deviation = self.deviation.unwrap_or(0.0);
        [self.mean - deviation, self.mean + deviation]
    }
}

impl Comparison {
    /// The drawing as an SVG document.
    pub fn svg(&self) -> String {
        let points = self.series.iter().flat_map(|series| series.points.iter().copied().flatten());
        let scale = Scale::around(points.flat_map(Point::ends));
        let description = self.description();
        let mut canvas = Chart {
            title: &self.title,
            description: &description,
            x: Axis::names(self.conditions_are.as_str(), self.conditions.iter().map(String::as_str)),
            y: Axis::numbers(self.measured.as_str(), scale, 6),
            legend: (0..)
                .zip(&self.series)
                .map(|(position, series)| {
                    let sign = if self.ordered { Sign::Series(position) } else { Sign::Marker(position) };
                    Key { sign, words: series.name.clone() }
                })
                .collect(),
            height: Some(250.0),
            strip: 0.0,
            above: 0.0,
            grid: true,
        }
        .canvas();
        // Series stand a little beside each other, so that their deviations do not hide one another.
        let room = canvas.area.width / self.conditions.len().max(1) as f64;
        let spread = if self.ordered { room * 0.25 } else { room * 0.6 };
        let shift = |position: usize| {
            let middle = (self.series.len().saturating_sub(1)) as f64 / 2.0;
            (position as f64 - middle) * spread / self.series.len().max(1) as f64
        };
        for (position, series) in self.series.iter().enumerate() {
            let place = |(condition, point): (usize, &Option<Point>)| {
                let point = (*point)?;
                Some((canvas.x(condition as f64) + shift(position), canvas.y(point.mean)))
            };
            let places: Vec<_> = series.points.iter().enumerate().map(place).collect();
            if self.ordered {
                canvas.path(position, &places);
            }
            let marks = series.points.iter().zip(&places).zip(&self.conditions);
            for ((point, place), condition) in marks {
                let (Some(point), &Some((x, y))) = (point, place) else { continue };
                let [low, high] = point.ends().map(|end| canvas.y(end));
                if point.deviation.is_some() {
                    let role = Role::Series(position);
                    canvas.line(role, (x, low), (x, high), 1.2, "none");
                    canvas.line(role, (x - 3.0, low), (x + 3.0, low), 1.2, "none");
                    canvas.line(role, (x - 3.0, high), (x + 3.0, high), 1.2, "none");
                }
                let hint = format!("{}, {condition}: {}", series.name, figure(*point));
                marker(&mut canvas.svg, position, x, y, 3.6, 1.0, Some(&hint));
            }
        }
        canvas.finish()
    }

    fn description(&self) -> String {
        let series = self.series.iter().map(|series| {
            let points = self.conditions.iter().zip(&series.points);
            let points = points.filter_map(|(name, point)| Some(format!("{name} {}", figure((*point)?))));
            format!("{}: {}", series.name, points.collect::<Vec<_>>().join(", "))
        });
        format!("{}. {}.", self.measured, series.collect::<Vec<_>>().join("; "))
    }
}

fn figure(point: Point) -> String {
    match point.deviation {
        Some(deviation) => format!("{:.2} ± {deviation:.2}", point.mean),
        None => format!("{:.2}", point.mean),
    }
}
