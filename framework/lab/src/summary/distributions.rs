//! Overall accuracy under every test class distribution.

use std::collections::BTreeSet;

use super::best;
use super::experiment::Experiment;
use super::metrics::{Key, Metric, Subject, UNIFORM};
use super::notes;
use crate::table::{Cell, Column, Direction, Row, Table};

/// Accuracy of `subject` with a row per distribution and a column per arm; `None` where there is no shifted distribution.
pub(super) fn table(experiment: &Experiment, subject: Subject) -> Option<Table> {
    let measured = experiment.keys().into_iter().filter(|key| is_accuracy_of(key, subject));
    let distributions = ordered(measured.map(|key| key.distribution.as_str()).collect());
    if distributions.len() < 2 {
        return None;
    }
    let published: Vec<_> = experiment
        .published()
        .iter()
        .map(|published| &published.row)
        .filter(|row| row.figures.keys().any(|key| is_accuracy_of(key, subject)))
        .collect();
    let arms = experiment.arms().iter().map(|arm| arm.name.clone());
    let columns = arms.chain(published.iter().map(|row| row.heading())).map(column).collect();
    let (name, title) = match subject {
        Subject::Corrected => {
            ("corrected", "accuracy under shifted test distributions, with the known test prior")
        }
        _ => ("distributions", "accuracy under shifted test distributions"),
    };
    let mut table = Table::new(name, format!("{}: {title}", experiment.name), "test distribution", columns);
    for distribution in distributions {
        let key = Key::new(subject, distribution, Metric::Accuracy);
        let series: Vec<_> = experiment.arms().iter().map(|arm| arm.series(&key)).collect();
        let marks = best::marks(&series, Direction::HigherIsBetter);
        let ours = experiment.arms().iter().zip(marks);
        let ours = ours.map(|(arm, best)| arm.cell(&key, experiment.level, best));
        let cells: Vec<Cell> = ours.chain(published.iter().map(|row| row.cell(&key))).collect();
        table.push(Row::new(distribution, cells));
    }
    notes::explain(&mut table, experiment);
    let ours = experiment.arms().iter().map(|arm| format!("{} ({})", arm.name, arm.seeds().len()));
    let theirs = published.iter().map(|row| match row.seeds {
        Some(n) => format!("{} ({n})", row.heading()),
        None => format!("{} (unknown)", row.heading()),
    });
    table.note(format!("Seeds (n) of {}.", ours.chain(theirs).collect::<Vec<_>>().join(", ")));
    Some(table)
}

fn is_accuracy_of(key: &Key, subject: Subject) -> bool {
    key.subject == subject && key.metric == Metric::Accuracy
}

fn column(name: String) -> Column {
    let unit = Metric::Accuracy.unit().map(str::to_owned);
    Column {
        unit,
        direction: Some(Direction::HigherIsBetter),
        ..Column::new(name, Metric::Accuracy.decimals())
    }
}

/// From the training distribution over the uniform to its reverse: forward50 … forward2, uniform, backward2 … backward50,
/// then all others by name.
fn ordered(distributions: BTreeSet<&str>) -> Vec<&str> {
    let mut ordered: Vec<&str> = distributions.into_iter().collect();
    ordered.sort_by_key(|name| rank(name));
    ordered
}

/// The place of a distribution among others; equal for those that are sorted by name.
pub(super) fn rank(distribution: &str) -> (u8, i64) {
    shift(distribution).map_or((1, 0), |shift| (0, shift))
}

/// How far a distribution leans away from the training distribution; negative toward it.
fn shift(distribution: &str) -> Option<i64> {
    let ratio = |ratio: &str| ratio.parse::<u32>().ok().map(i64::from);
    match distribution.strip_prefix("forward") {
        Some(forward) => ratio(forward).map(|ratio| -ratio),
        None if distribution == UNIFORM => Some(0),
        None => ratio(distribution.strip_prefix("backward")?),
    }
}

#[cfg(test)]
mod tests {
    use super::ordered;

    #[test]
    fn distributions_lead_from_the_training_prior_to_its_reverse() {
        let names = ["backward10", "backward2", "zipf", "forward2", "uniform", "forward50", "dirichlet"];
        let order = ["forward50", "forward2", "uniform", "backward2", "backward10", "dirichlet", "zipf"];
        assert_eq!(ordered(names.into_iter().collect()), order);
    }
}
