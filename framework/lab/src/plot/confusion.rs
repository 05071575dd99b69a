//! Confusion matrices, from a few classes to thousands.

use std::collections::BTreeMap;

use balpoe_stats::calibration::{ConfusionMatrix, ShotGroup};

use super::axis::Axis;
use super::canvas::{Chart, Key, Sign};
use super::class_accuracy::word;
use super::scale::Scale;
use super::svg::Px;
use super::theme::Role;

/// Most classes that are named one by one.
const NAMED: usize = 20;

/// Most rows and columns that are drawn; more classes share one.
const DRAWN: usize = 128;

/// Steps of opacity: more cannot be told apart.
const STEPS: f64 = 32.0;

/// Which share of a class's test images is predicted as which class. Classes are ordered by their training images, most first,
/// so that a drift toward frequent classes shows on the left.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    /// What it is about.
    pub title: String,
    /// Names of the classes, `[classes]`.
    pub classes: Vec<String>,
    /// Training images of each class, `[classes]`.
    pub counts: Vec<usize>,
    /// Which class was taken for which.
    pub matrix: ConfusionMatrix,
}

impl Confusion {
    /// The drawing as an SVG document.
    pub fn svg(&self) -> String {
        let classes = self.matrix.classes();
        let order = self.order();
        let shared = classes.div_ceil(DRAWN).max(1);
        let cells = self.cells(&order, shared);
        let drawn = classes.div_ceil(shared).max(1);

        let (x, y) = self.axes(&order, classes);
        let description = self.description(shared);
        let keys = [(Role::Right, "right: ", [100, 50]), (Role::Wrong, "wrong: ", [50, 5])];
        let legend = keys.into_iter().flat_map(|(role, word, percents)| {
            let key = move |(percent, word): (u8, &str)| Key {
                sign: Sign::Area(role, opacity(f64::from(percent) / 100.0)),
                words: format!("{word}{percent} %"),
            };
            percents.into_iter().zip([word, ""]).map(key)
        });
        let mut canvas = Chart {
            title: &self.title,
            description: &description,
            x,
            y,
            legend: legend.collect(),
            height: None,
            strip: 0.0,
            above: 14.0,
            grid: false,
        }
        .canvas();

        let area = canvas.area;
        let turn = format!(
            "translate({} {}) scale({} {})",
            Px(area.left),
            Px(area.top),
            area.width / drawn as f64,
            area.height / drawn as f64
        );
        canvas.svg.open("g", &[("transform", &turn), ("shape-rendering", &"crispEdges")]);
        for ((right, step), path) in paths(&cells) {
            let role = if right { Role::Right } else { Role::Wrong };
            canvas.svg.element(
                "path",
                &[
                    ("class", &role.fill()),
                    ("fill", &role.colour()),
                    ("fill-opacity", &Px(f64::from(step) / STEPS)),
                    ("d", &path),
                ],
            );
        }
        canvas.svg.close();

        let mut first = 0;
        let groups: Vec<ShotGroup> = order
            .iter()
            .map(|&class| ShotGroup::of_count(self.counts.get(class).copied().unwrap_or(0)))
            .collect();
        for members in groups.chunk_by(|a, b| a == b) {
            let last = first + members.len();
            let ends = [first, last].map(|class| class as f64 / classes as f64);
            let across = ends.map(|end| area.left + end * area.width);
            let down = ends.map(|end| area.top + end * area.height);
            if first > 0 {
                canvas.line(Role::Muted, (across[0], area.top), (across[0], area.bottom()), 0.8, "2 3");
                canvas.line(Role::Muted, (area.left, down[0]), (area.right(), down[0]), 0.8, "2 3");
            }
            if across[1] - across[0] > 46.0 {
                let middle = f64::midpoint(across[0], across[1]);
                canvas.text(Role::Muted, (middle, area.top - 5.0), "middle", word(members[0]));
            }
            first = last;
        }
        canvas.finish()
    }

    /// Classes by training images, most first; equal ones in their given order.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.matrix.classes()).collect();
        order.sort_by_key(|&class| std::cmp::Reverse(self.counts.get(class).copied().unwrap_or(0)));
        order
    }

    /// For every drawn row and column: the mean share of its classes' images that it holds.
    fn cells(&self, order: &[usize], shared: usize) -> BTreeMap<(usize, usize), f64> {
        let mut rank = vec![0; order.len()];
        order.iter().enumerate().for_each(|(position, &class)| rank[class] = position);
        let mut totals = vec![0.0; order.len()];
        self.matrix.cells().for_each(|(label, _, weight)| totals[label as usize] += weight);
        let mut present = vec![0.0; order.len().div_ceil(shared).max(1)];
        for (class, _) in totals.iter().enumerate().filter(|(_, total)| **total > 0.0) {
            present[rank[class] / shared] += 1.0;
        }
        let mut cells = BTreeMap::new();
        for (label, prediction, weight) in self.matrix.cells() {
            let (row, column) = (rank[label as usize] / shared, rank[prediction as usize] / shared);
            *cells.entry((row, column)).or_insert(0.0) += weight / totals[label as usize] / present[row];
        }
        cells
    }

    fn axes(&self, order: &[usize], classes: usize) -> (Axis, Axis) {
        let across = "predicted class";
        let down = "true class, most training images first";
        if classes <= NAMED {
            let names = || order.iter().map(|&class| self.classes.get(class).map_or("", String::as_str));
            let mut y = Axis::names(down, names());
            upside_down(&mut y);
            return (Axis::names(format!("{across}, in the same order"), names()), y);
        }
        let scale = Scale::Linear { low: 0.0, high: classes as f64 };
        let x = Axis::numbers(format!("{across}, in the same order"), scale, 6);
        let mut y = Axis::numbers(down, scale, 6);
        upside_down(&mut y);
        (x, y)
    }

    fn description(&self, shared: usize) -> String {
        let (mut right, mut total) = (0.0, 0.0);
        for (label, prediction, weight) in self.matrix.cells() {
            total += weight;
            right += if label == prediction { weight } else { 0.0 };
        }
        let share = if total > 0.0 { right / total * 100.0 } else { 0.0 };
        let blocks =
            if shared > 1 { format!(" A cell is the mean of {shared} classes.") } else { String::new() };
        format!(
            "Confusion matrix of {} classes; {share:.1} % of the images lie on the diagonal.{blocks}",
            self.matrix.classes()
        )
    }
}

/// Small shares are most of a confusion matrix: the root shows them.
fn opacity(share: f64) -> f64 {
    (share.clamp(0.0, 1.0).sqrt() * STEPS).ceil() / STEPS
}

/// One path for all cells of a colour; a cell is a unit square.
fn paths(cells: &BTreeMap<(usize, usize), f64>) -> BTreeMap<(bool, u8), String> {
    let mut paths: BTreeMap<(bool, u8), String> = BTreeMap::new();
    for (&(row, column), &share) in cells {
        let step = (opacity(share) * STEPS).round() as u8;
        *paths.entry((row == column, step)).or_default() += &format!("M{column} {row}h1v1h-1z");
    }
    paths
}

/// The first class stands at the top.
fn upside_down(axis: &mut Axis) {
    if let Scale::Linear { low, high } = axis.scale {
        axis.ticks.iter_mut().for_each(|(value, _)| *value = low + high - *value);
    }
}
