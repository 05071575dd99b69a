//! Every expert alone, beside the ensemble.

use std::collections::BTreeSet;

use super::experiment::Experiment;
use super::metrics::{Key, Metric, Subject, UNIFORM};
use super::notes;
use crate::table::{Column, Row, Table};

/// Accuracy and calibration of each expert on the uniform test distribution; `None` where no expert was measured.
pub(super) fn table(experiment: &Experiment) -> Option<Table> {
    let keys = experiment.keys();
    let on_uniform = || keys.iter().filter(|key| key.distribution == UNIFORM);
    let is_expert = |key: &Key| matches!(key.subject, Subject::Expert(_));
    if !on_uniform().any(|key| is_expert(key)) {
        return None;
    }
    let measured = |metric: &Metric| on_uniform().any(|key| is_expert(key) && key.metric == *metric);
    let metrics: Vec<Metric> = Metric::ALL.into_iter().filter(measured).collect();
    let columns: Vec<Column> = metrics.iter().map(|metric| metric.column()).collect();
    let title = format!("{}: single experts, uniform test distribution", experiment.name);
    let mut table = Table::new("experts", title, "prediction", columns);
    for arm in experiment.arms() {
        let measured = arm.finished().flat_map(|(_, metrics)| metrics.keys());
        let subjects: BTreeSet<Subject> =
            measured.filter(|key| key.distribution == UNIFORM).map(|key| key.subject).collect();
        // Experts first, then what the aggregator makes of them.
        let experts = subjects.iter().copied().filter(|subject| matches!(subject, Subject::Expert(_)));
        for subject in experts.chain(subjects.get(&Subject::Ensemble).copied()) {
            let cell =
                |metric: &Metric| arm.cell(&Key::new(subject, UNIFORM, *metric), experiment.level, false);
            let row = Row::new(label(subject), metrics.iter().map(cell).collect());
            table.push(Row { group: Some(arm.name.clone()), ..row });
        }
    }
    notes::spread(&mut table, experiment);
    notes::cells(&mut table, experiment);
    Some(table)
}

fn label(subject: Subject) -> String {
    match subject {
        Subject::Expert(expert) => format!("expert {expert}"),
        Subject::Ensemble | Subject::Corrected => subject.to_string(),
    }
}
