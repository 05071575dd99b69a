//! Accuracy of every class against the number of its training images.

use balpoe_stats::calibration::ShotGroup;

use super::axis::Axis;
use super::canvas::{Canvas, Chart, Key, Sign};
use super::marks::marker;
use super::scale::Scale;
use super::theme::Role;

/// One marker per class and arm, and the mean of each shot group as a line.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassAccuracies {
    /// What it is about.
    pub title: String,
    /// Names of the classes, `[classes]`.
    pub classes: Vec<String>,
    /// Training images of each class, `[classes]`.
    pub counts: Vec<usize>,
    /// Arms by name with the accuracy of each class, a fraction, `[classes]`; `None` for a class without test images.
    pub arms: Vec<(String, Vec<Option<f64>>)>,
}

impl ClassAccuracies {
    /// The drawing as an SVG document.
    pub fn svg(&self) -> String {
        let scale = Scale::log_around(self.counts.iter().map(|&count| count as f64));
        let description = self.description();
        let mut canvas = Chart {
            title: &self.title,
            description: &description,
            x: Axis::numbers("training images of the class", scale, 7),
            y: Axis::numbers("accuracy (%)", Scale::Linear { low: 0.0, high: 100.0 }, 5),
            legend: (0..)
                .zip(&self.arms)
                .map(|(arm, (name, _))| Key { sign: Sign::Series(arm), words: name.clone() })
                .collect(),
            height: Some(270.0),
            strip: 0.0,
            above: 14.0,
            grid: true,
        }
        .canvas();
        draw_groups(&mut canvas, scale);
        for (arm, (name, accuracies)) in self.arms.iter().enumerate() {
            let classes = self.classes.iter().zip(&self.counts).zip(accuracies);
            for ((class, &count), accuracy) in classes {
                let Some(accuracy) = accuracy.filter(|_| count > 0) else { continue };
                let hint = format!("{class}: {:.1} % with {name}, {count} training images", accuracy * 100.0);
                let (x, y) = (canvas.x(count as f64), canvas.y(accuracy * 100.0));
                marker(&mut canvas.svg, arm, x, y, 2.6, 0.55, Some(&hint));
            }
        }
        for (arm, (_, accuracies)) in self.arms.iter().enumerate() {
            let means: Vec<_> = self.means(accuracies).collect();
            for (_, mean, (fewest, most)) in means {
                let y = canvas.y(mean * 100.0);
                let ends = [fewest, most].map(|count| canvas.x(count as f64));
                canvas.path(arm, &[Some((ends[0] - 3.0, y)), Some((ends[1] + 3.0, y))]);
            }
        }
        canvas.finish()
    }

    /// For each shot group that has accuracies: their mean, and the fewest and most training images.
    fn means(&self, accuracies: &[Option<f64>]) -> impl Iterator<Item = (ShotGroup, f64, (usize, usize))> {
        ShotGroup::ALL.into_iter().filter_map(move |group| {
            let members = self.counts.iter().zip(accuracies).filter(|(count, _)| **count > 0);
            let members = members.filter(|(count, _)| ShotGroup::of_count(**count) == group);
            let members: Vec<(usize, f64)> =
                members.filter_map(|(&count, accuracy)| Some((count, (*accuracy)?))).collect();
            let fewest = members.iter().map(|(count, _)| *count).min()?;
            let most = members.iter().map(|(count, _)| *count).max()?;
            let mean = members.iter().map(|(_, accuracy)| accuracy).sum::<f64>() / members.len() as f64;
            Some((group, mean, (fewest, most)))
        })
    }

    fn description(&self) -> String {
        let arm = |(name, accuracies): &(String, Vec<Option<f64>>)| {
            let means = self.means(accuracies);
            let means = means.map(|(group, mean, _)| format!("{}-shot {:.1} %", word(group), mean * 100.0));
            format!("{name}: {}", means.collect::<Vec<_>>().join(", "))
        };
        format!("Mean accuracy of the groups. {}.", self.arms.iter().map(arm).collect::<Vec<_>>().join("; "))
    }
}

/// Lines between the shot groups, with the names of those that have room.
fn draw_groups(canvas: &mut Canvas, scale: Scale) {
    let Scale::Log { low, high } = scale else { return };
    let area = canvas.area;
    let mut bounds = vec![low];
    // Few-shot classes have fewer than 20 images, many-shot classes more than 100: the lines lie between whole numbers.
    for bound in [19.5, 100.5] {
        if (low..=high).contains(&bound) {
            let x = canvas.x(bound);
            canvas.line(Role::Muted, (x, area.top), (x, area.bottom()), 1.0, "2 3");
            bounds.push(bound);
        }
    }
    bounds.push(high);
    for ends in bounds.windows(2) {
        let (left, right) = (canvas.x(ends[0]), canvas.x(ends[1]));
        let group = ShotGroup::of_count((ends[0] * ends[1]).sqrt().round() as usize);
        if right - left > 46.0 {
            canvas.text(Role::Muted, ((left + right) / 2.0, area.top - 5.0), "middle", word(group));
        }
    }
}

pub(super) fn word(group: ShotGroup) -> &'static str {
    match group {
        ShotGroup::Many => "many",
        ShotGroup::Medium => "medium",
        ShotGroup::Few => "few",
    }
}
