//! Whether an arm reproduces published figures.

use super::distributions::rank;
use super::experiment::{Arm, Experiment, sample};
use super::metrics::{Key, Metric, Subject};
use super::notes;
use super::reference::{Judgement, Row as Reference};
use crate::table::{Cell, Column, Row, Table, Value};

/// Our figures beside the published ones that an arm is meant to reproduce; `None` where there are none.
pub(super) fn table(experiment: &Experiment) -> Option<Table> {
    let columns = vec![
        Column::new("ours", 2),
        Column::new("published", 2),
        Column::new("difference", 2),
        Column::new("allowed", 2),
        Column::new("reproduced", 0),
    ];
    let title = format!("{}: published figures", experiment.name);
    let mut table = Table::new("published", title, "figure", columns);
    let (mut judged, mut reproduced) = (0, 0);
    for published in experiment.published() {
        let Some(arm) = published.arm.as_deref().and_then(|name| experiment.arm(name)) else { continue };
        for key in common_keys(arm, &published.row) {
            let Some((cells, judgement)) = compare(arm, &published.row, key, experiment) else { continue };
            judged += usize::from(judgement.is_some());
            reproduced += usize::from(judgement.is_some_and(Judgement::reproduced));
            let group = Some(format!("{} against {}", arm.name, published.row.label));
            table.push(Row { group, ..Row::new(label(key), cells) });
        }
    }
    if table.rows().is_empty() {
        return None;
    }
    table.note(format!("{reproduced} of {judged} figures are reproduced."));
    table.note(
        "Reproduced: |ours − published| ≤ 3 sd √(1/n + 1/m) with the published deviation sd over m seeds and our n \
         seeds, or ≤ the tolerance that is stated with the published figure.",
    );
    notes::spread(&mut table, experiment);
    notes::cells(&mut table, experiment);
    Some(table)
}

/// The figures that both have, by subject, from the training distribution to its reverse.
fn common_keys<'a>(arm: &Arm, row: &'a Reference) -> Vec<&'a Key> {
    let mut keys: Vec<&Key> = row.figures.keys().filter(|key| !arm.series(key).is_empty()).collect();
    keys.sort_by_key(|key| (key.subject, rank(&key.distribution)));
    keys
}

fn compare(
    arm: &Arm,
    row: &Reference,
    key: &Key,
    experiment: &Experiment,
) -> Option<(Vec<Cell>, Option<Judgement>)> {
    let ours = sample(&arm.series(key))?;
    let judgement = row.judge(key, &ours);
    let figure = row.figures.get(key)?;
    let decimals = Some(key.metric.decimals());
    let number = |value: f64| Cell { decimals, ..Value::Number(value).into() };
    let unknown = || Cell::missing("the published deviation or number of seeds is unknown");
    let (allowed, verdict) = match judgement {
        Some(judgement) => {
            (number(judgement.allowed), Cell::text(if judgement.reproduced() { "yes" } else { "no" }))
        }
        None => (unknown(), unknown()),
    };
    let cells = vec![
        arm.cell(key, experiment.level, false),
        row.cell(key),
        number(ours.mean() - figure.mean),
        allowed,
        verdict,
    ];
    Some((cells, judgement))
}

fn label(key: &Key) -> String {
    let subject = match key.subject {
        Subject::Ensemble => String::new(),
        Subject::Corrected => "corrected ".to_owned(),
        Subject::Expert(expert) => format!("expert {expert} "),
    };
    let unit = key.metric.unit().map(|unit| format!(" ({unit})")).unwrap_or_default();
    let metric = if key.metric == Metric::Accuracy { "accuracy" } else { key.metric.heading() };
    format!("{subject}{} {metric}{unit}", key.distribution)
}
