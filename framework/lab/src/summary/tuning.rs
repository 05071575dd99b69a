//! Everything that sweeps have tried, with what decided.

use balpoe_core::experiment::Tried;

use super::experiment::{Experiment, Series, sample};
use super::metrics::Metric;
use crate::table::{Cell, Column, Estimate, Row, Table};

/// What was tried for an arm.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// The name of the arm.
    pub arm: String,
    /// The metric that decided.
    pub metric: Metric,
    /// The settings, in the order of the grid.
    pub tried: Vec<Tried>,
}

/// A row a setting: its figure on the validation images, and whether it was chosen; `None` without sweeps.
pub(super) fn table(experiment: &Experiment) -> Option<Table> {
    let mut metrics: Vec<Metric> = experiment.tuning.iter().map(|tuning| tuning.metric).collect();
    metrics.sort_unstable();
    metrics.dedup();
    if metrics.is_empty() {
        return None;
    }
    let mut columns: Vec<Column> = metrics.iter().map(|metric| metric.column()).collect();
    columns.push(Column::new("chosen", 0));
    let title = format!("{}: settings that were tried, validation images", experiment.name);
    let mut table = Table::new("tuning", title, "setting", columns);
    for tuning in &experiment.tuning {
        for tried in &tuning.tried {
            let cell = |metric: &Metric| {
                if *metric == tuning.metric {
                    score(tried, *metric, experiment)
                } else {
                    Cell::missing("another metric decides")
                }
            };
            let mut cells: Vec<Cell> = metrics.iter().map(cell).collect();
            cells.push(Cell::text(if tried.chosen { "yes" } else { "" }));
            table.push(Row { group: Some(tuning.arm.clone()), ..Row::new(&tried.setting, cells) });
        }
    }
    table.note(
        "Figures of the ensemble on the validation images; ± is the sample standard deviation over the seeds of the sweep (n − 1), where \
         there are several. The best mean is chosen, the first of equal ones.",
    );
    Some(table)
}

/// The mean over seeds, and which seeds have no figure.
fn score(tried: &Tried, metric: Metric, experiment: &Experiment) -> Cell {
    let known = tried.scores.iter().filter_map(|&(seed, score)| Some((seed, score? * metric.scale())));
    let series: Series = known.collect();
    let Some(sample) = sample(&series) else { return Cell::missing("did not finish") };
    let missing: Vec<String> =
        tried.scores.iter().filter(|(_, score)| score.is_none()).map(|(seed, _)| seed.to_string()).collect();
    let footnote = (!missing.is_empty())
        .then(|| format!("did not finish with seed {}, so that it cannot be chosen", missing.join(", ")));
    Cell { footnote, ..Estimate::of(&sample, experiment.level).into() }
}
