//! The notes that tables share.

use std::collections::BTreeSet;

use balpoe_stats::statistics::Level;

use super::experiment::{Arm, Experiment};
use crate::table::Table;

/// Adds what `±`, the brackets and the marks mean, and which cells failed or are not there.
pub(super) fn explain(table: &mut Table, experiment: &Experiment) {
    spread(table, experiment);
    if most_seeds(experiment) >= 2 && experiment.arms().len() >= 2 {
        table.note(
            "Marked as best (bold, in plain text *): not significantly worse than the best arm \
             (paired t test by seed, Holm's correction over the other arms, 0.05).",
        );
    }
    cells(table, experiment);
}

/// Adds what `±` and the brackets mean, or that one seed has neither.
pub(super) fn spread(table: &mut Table, experiment: &Experiment) {
    match most_seeds(experiment) {
        0 => {}
        1 => {
            table
                .note("One seed: no deviation, interval or test is possible, and nothing is marked as best.");
        }
        _ => table.note(deviation(experiment.level, table.interval_lines)),
    }
}

/// Adds which cells failed, and which seeds an arm has where arms differ in them.
pub(crate) fn cells(table: &mut Table, experiment: &Experiment) {
    let seeds: BTreeSet<BTreeSet<u64>> = experiment.arms().iter().map(Arm::seeds).collect();
    if seeds.len() > 1 {
        let arms = experiment.arms().iter();
        let arms = arms.map(|arm| format!("{} {}", arm.name, list(&arm.seeds()))).collect::<Vec<_>>();
        table.note(format!(
            "The arms do not have the same seeds ({}); comparisons pair the seeds that both arms have.",
            arms.join("; ")
        ));
    }
    for arm in experiment.arms() {
        for (seed, result) in &arm.cells {
            if let Err(reason) = result {
                table.note(format!("No result: {} with seed {seed}: {reason}", arm.name));
            }
        }
    }
}

/// How a level reads in a table: `95 %`.
pub(crate) fn percent(level: Level) -> String {
    let percent = (level.coverage() * 1e4).round() / 100.0;
    format!("{percent} %")
}

fn most_seeds(experiment: &Experiment) -> usize {
    experiment.arms().iter().map(|arm| arm.seeds().len()).max().unwrap_or(0)
}

fn deviation(level: Level, intervals: bool) -> String {
    let level = percent(level);
    let where_intervals = if intervals {
        format!("brackets are {level} t intervals of the mean")
    } else {
        format!("the {level} t intervals of the mean are in the CSV and JSON renderings")
    };
    format!("± is the sample standard deviation over seeds (n − 1); {where_intervals}.")
}

fn list(seeds: &BTreeSet<u64>) -> String {
    if seeds.is_empty() {
        return "none".to_owned();
    }
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
