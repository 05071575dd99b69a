//! How large differences over seeds are, and how many seeds would show them.

use balpoe_stats::statistics::{Design, Paired, Resampling, seeds_needed};

use super::Comparison;
use super::pairs::Pair;
use crate::summary::{Experiment, label, percent};
use crate::table::{Cell, Column, Row, Table, Value};

/// The power that the number of seeds is asked for.
const POWER: f64 = 0.8;

pub(super) fn table(experiment: &Experiment, pairs: &[Pair], comparison: &Comparison) -> Table {
    let columns = vec![
        Column::new("d_z", 2).in_group("effect size"),
        Column::new("Hedges g", 2).in_group("effect size"),
        Column::new("Cliff δ", 2).in_group("effect size"),
        Column::new("P(better)", 2).in_group("order"),
        Column::new("ε_min", 2).in_group("order"),
        Column::new("arm", 2).in_group("interquartile mean"),
        Column::new("baseline", 2).in_group("interquartile mean"),
        Column::new("seeds needed", 0),
    ];
    let title = format!("{}: effect sizes, {}", experiment.name, comparison.distribution);
    let mut table = Table::new("effects", title, "metric", columns);
    for pair in pairs {
        let cells = cells(pair, comparison);
        table.push(Row { group: Some(pair.name.clone()), ..Row::new(label(pair.metric), cells) });
    }
    table.note(
        "d_z: mean difference by seed in units of its standard deviation. Hedges' g: difference of means in units of the pooled \
         standard deviation, corrected for few seeds. Cliff's δ and P(better): how often a random seed of the arm is better than one of \
         the baseline.",
    );
    table.note(format!(
        "ε_min: upper {} bound of the violation of stochastic order; below 0.5 the arm is almost stochastically better, below 0.2 by the \
         customary stricter threshold.",
        percent(comparison.level)
    ));
    table.note(format!(
        "Seeds needed: pairs with which the paired t test at {} finds a true difference as large as the observed one with probability \
         {POWER}, if differences vary as observed.",
        percent(comparison.level)
    ));
    table
}

fn cells(pair: &Pair, comparison: &Comparison) -> Vec<Cell> {
    let decimals = Some(pair.metric.decimals());
    let or_why = |value: Option<f64>, why: &str| {
        value.map_or_else(|| Cell::missing(why), |value| Value::Number(value).into())
    };
    let unpaired = "needs two seeds in common with differences that vary";
    let paired = pair.paired.as_ref();
    let needed = paired.and_then(|paired| {
        let sd = paired.differences().sd()?;
        paired.d_z()?;
        seeds_needed(Design::Paired, paired.mean(), sd, POWER, comparison.level)
    });
    let (treatment, baseline) = pair.larger_is_better();
    let several = treatment.n() >= 2 && baseline.n() >= 2;
    let order =
        several.then(|| treatment.stochastic_order(&baseline, comparison.level, Resampling::new(1_000, 0)));
    vec![
        or_why(paired.and_then(Paired::d_z), unpaired),
        or_why(pair.treatment.hedges_g(&pair.baseline), "needs three seeds that vary"),
        Value::Number(treatment.cliff_delta(&baseline)).into(),
        Value::Number(treatment.probability_of_improvement(&baseline)).into(),
        or_why(order.map(|order| order.epsilon_min), "needs two seeds of each arm"),
        Cell { decimals, ..Value::Number(pair.treatment.interquartile_mean()).into() },
        Cell { decimals, ..Value::Number(pair.baseline.interquartile_mean()).into() },
        or_why(needed.map(|seeds| seeds as f64), unpaired),
    ]
}
