//! Every arm against the baseline, seed by seed.

use std::collections::BTreeSet;

use balpoe_stats::statistics::{Paired, holm, smallest_sign_flip_p};

use super::experiment::Experiment;
use super::metrics::{Key, Metric, Subject, UNIFORM};
use super::notes;
use super::pairs::{ALPHA, paired};
use crate::table::{Cell, Column, Direction, Estimate, Row, Table, Value};

const COLUMNS: usize = 6;

/// Differences on the uniform test distribution; `None` where no other arm has finished cells.
pub(super) fn table(experiment: &Experiment) -> Option<Table> {
    let baseline = experiment.baseline()?;
    let metrics = experiment.metrics(Subject::Ensemble, UNIFORM);
    let mut comparisons: Vec<(String, Metric, Option<Paired>)> = Vec::new();
    let others = experiment.arms().iter().filter(|arm| arm.name != baseline.name);
    for arm in others.filter(|arm| !arm.seeds().is_empty()) {
        for &metric in &metrics {
            let key = Key::new(Subject::Ensemble, UNIFORM, metric);
            let pair = paired(&arm.series(&key), &baseline.series(&key));
            comparisons.push((format!("{} − {}", arm.name, baseline.name), metric, pair));
        }
    }
    if comparisons.is_empty() {
        return None;
    }

    let tests: Vec<Option<f64>> =
        comparisons.iter().map(|(.., pair)| Some(pair.as_ref()?.t_test()?.p)).collect();
    let family: Vec<f64> = tests.iter().copied().flatten().collect();
    let mut adjusted = holm(&family).unwrap_or_default().into_iter();

    let title = format!("{}: differences from {} by seed", experiment.name, baseline.name);
    let interval = format!("{} t interval", notes::percent(experiment.level));
    let columns: [Column; COLUMNS] = [
        Column::new("pairs", 0),
        Column::new("difference", 2),
        Column::new(interval, 2),
        Column::new("p (t)", 4),
        Column::new("p (Holm)", 4),
        Column::new("d_z", 2),
    ];
    let mut table = Table::new("differences", title, "uniform test distribution", columns.into());
    for ((group, metric, pair), p) in comparisons.iter().zip(&tests) {
        let adjusted = p.and_then(|_| adjusted.next());
        let cells = cells(*metric, pair.as_ref(), *p, adjusted, experiment);
        table.push(Row { group: Some(group.clone()), ..Row::new(label(*metric), cells) });
    }
    explain(&mut table, experiment, family.len(), comparisons.iter().filter_map(|(.., pair)| pair.as_ref()));
    Some(table)
}

fn cells(
    metric: Metric,
    pair: Option<&Paired>,
    p: Option<f64>,
    adjusted: Option<f64>,
    experiment: &Experiment,
) -> Vec<Cell> {
    let decimals = Some(metric.decimals());
    let Some(pair) = pair else {
        let missing = Cell::missing("no seed has this figure in both arms");
        let mut cells = vec![missing; COLUMNS];
        cells[0] = Value::Number(0.0).into();
        return cells;
    };
    let n = pair.differences().n();
    let untested = if n < 2 {
        "one pair: no test is possible"
    } else {
        "the differences do not vary: no t test is possible"
    };
    let or_why = |value: Option<Value>| value.map_or_else(|| Cell::missing(untested), Cell::from);
    let interval = pair.t_interval(experiment.level).map(Value::Interval);
    vec![
        Value::Number(n as f64).into(),
        Cell { decimals, ..Estimate::of(pair.differences(), experiment.level).into() },
        Cell { decimals, ..or_why(interval) },
        or_why(p.map(Value::PValue)),
        or_why(adjusted.map(Value::PValue)),
        or_why(pair.d_z().map(Value::Number)),
    ]
}

/// A metric with its unit and an arrow for the better direction.
pub(crate) fn label(metric: Metric) -> String {
    let kind = if Metric::ACCURACIES.contains(&metric) { "accuracy, " } else { "" };
    let unit = metric.unit().map(|unit| format!(" ({unit})")).unwrap_or_default();
    let arrow = match metric.direction() {
        Direction::HigherIsBetter => "↑",
        Direction::LowerIsBetter => "↓",
    };
    format!("{kind}{}{unit} {arrow}", metric.heading())
}

fn explain<'a>(
    table: &mut Table,
    experiment: &Experiment,
    family: usize,
    pairs: impl Iterator<Item = &'a Paired>,
) {
    table.note(
        "Differences are paired by seed; ± is their sample standard deviation (n − 1); d_z is their mean in units of \
         that deviation.",
    );
    if family > 0 {
        table.note(format!(
            "Paired t tests, two-sided; Holm's correction over the {family} tests of this table."
        ));
    }
    let sizes: BTreeSet<usize> = pairs.map(|pair| pair.differences().n()).filter(|&n| n >= 2).collect();
    for n in sizes {
        let smallest = smallest_sign_flip_p(n);
        if smallest > ALPHA {
            table.note(format!(
                "With {n} pairs the exact Wilcoxon and sign-flip tests cannot go below p = {smallest}, so they can never \
                 reach {ALPHA}; the t test can, because it takes the differences for normally distributed."
            ));
        }
    }
    notes::cells(table, experiment);
}
