//! Accuracy and calibration on the uniform test distribution, arm by arm, beside published rows.

use super::best;
use super::experiment::{Experiment, Published};
use super::metrics::{Key, Metric, Subject, UNIFORM};
use super::notes;
use crate::table::{Cell, Column, Row, Table, Value};

pub(super) fn table(experiment: &Experiment) -> Table {
    let keys: Vec<Key> = experiment
        .metrics(Subject::Ensemble, UNIFORM)
        .into_iter()
        .map(|metric| Key::new(Subject::Ensemble, UNIFORM, metric))
        .collect();
    let columns = keys.iter().map(|key| key.metric.column());
    let columns = std::iter::once(Column::new("n", 0)).chain(columns).collect();
    let title = format!("{}: accuracy and calibration, uniform test distribution", experiment.name);
    let mut table = Table::new("main", title, "arm", columns);
    table.interval_lines = true;

    let marks: Vec<Vec<bool>> = keys
        .iter()
        .map(|key| {
            let series: Vec<_> = experiment.arms().iter().map(|arm| arm.series(key)).collect();
            best::marks(&series, key.metric.direction())
        })
        .collect();
    for (position, arm) in experiment.arms().iter().enumerate() {
        let n = Value::Number(arm.seeds().len() as f64);
        let figures = keys.iter().zip(&marks);
        let figures = figures.map(|(key, marks)| arm.cell(key, experiment.level, marks[position]));
        table.push(Row::new(&arm.name, std::iter::once(n.into()).chain(figures).collect()));
    }
    for Published { row, .. } in experiment.published() {
        let n = row.seeds.map_or(Value::Missing, |n| Value::Number(n as f64));
        let cells: Vec<Cell> = keys.iter().map(|key| row.cell(key)).collect();
        let footnote = Some(row.provenance());
        let cells = std::iter::once(n.into()).chain(cells).collect();
        table.push(Row { footnote, ..Row::new(row.heading(), cells) });
    }

    notes::explain(&mut table, experiment);
    if keys.iter().any(|key| matches!(key.metric, Metric::Many | Metric::Medium | Metric::Few)) {
        table.note(
            "A group's accuracy is the mean over its classes with test images (many: more than 100 training \
             images; medium: 20 to 100; few: fewer than 20).",
        );
    }
    for line in &experiment.protocol {
        table.note(line);
    }
    table
}
