//! Tests of differences over seeds.

use std::collections::BTreeSet;

use balpoe_stats::statistics::{Resampling, benjamini_hochberg, holm, smallest_sign_flip_p};

use super::Comparison;
use super::pairs::Pair;
use crate::summary::{Experiment, label, missing_cells, percent};
use crate::table::{Cell, Column, Estimate, Row, Table, Value};

/// The level that tests are read at.
const ALPHA: f64 = 0.05;

pub(super) fn table(experiment: &Experiment, pairs: &[Pair], comparison: &Comparison) -> Table {
    let interval = format!("{} t interval", percent(comparison.level));
    let columns = vec![
        Column::new("pairs", 0),
        Column::new("difference", 2),
        Column::new(interval, 2),
        Column::new("t", 4).in_group("p"),
        Column::new("Wilcoxon", 4).in_group("p"),
        Column::new("sign flips", 4).in_group("p"),
        Column::new("t, Holm", 4).in_group("p, corrected"),
        Column::new("t, BH", 4).in_group("p, corrected"),
    ];
    let title = format!("{}: tests of differences by seed, {}", experiment.name, comparison.distribution);
    let mut table = Table::new("tests", title, "metric", columns);

    let p_of = |pair: &Pair| Some(pair.paired.as_ref()?.t_test()?.p);
    let family: Vec<f64> = pairs.iter().filter_map(p_of).collect();
    let mut corrected =
        holm(&family).unwrap_or_default().into_iter().zip(benjamini_hochberg(&family).unwrap_or_default());
    for pair in pairs {
        let t = p_of(pair);
        let corrected = t.and_then(|_| corrected.next());
        let cells = cells(pair, t, corrected, comparison);
        table.push(Row { group: Some(pair.name.clone()), ..Row::new(label(pair.metric), cells) });
    }
    explain(&mut table, experiment, pairs, family.len());
    table
}

fn cells(pair: &Pair, t: Option<f64>, corrected: Option<(f64, f64)>, comparison: &Comparison) -> Vec<Cell> {
    let decimals = Some(pair.metric.decimals());
    let n = Value::Number(pair.n() as f64).into();
    let Some(paired) = &pair.paired else {
        let mut cells = vec![Cell::missing("no seed has this figure in both arms"); 8];
        cells[0] = n;
        return cells;
    };
    let why = if pair.n() < 2 {
        "one pair: no test is possible"
    } else {
        "the differences do not vary: no t test is possible"
    };
    let p = |p: Option<f64>| p.map_or_else(|| Cell::missing(why), |p| Value::PValue(p).into());
    let wilcoxon = paired.wilcoxon().ok().filter(|_| pair.n() >= 2).map(|test| test.p);
    let flips = (pair.n() >= 2).then(|| paired.sign_flip_test(Resampling::default()).p);
    let interval = paired.t_interval(comparison.level).map(Value::Interval);
    vec![
        n,
        Cell { decimals, ..Estimate::of(paired.differences(), comparison.level).into() },
        Cell { decimals, ..interval.map_or_else(|| Cell::missing(why), Cell::from) },
        p(t),
        p(wilcoxon),
        p(flips),
        p(corrected.map(|(holm, _)| holm)),
        p(corrected.map(|(_, bh)| bh)),
    ]
}

fn explain(table: &mut Table, experiment: &Experiment, pairs: &[Pair], family: usize) {
    table.note(
        "Differences are paired by seed; ± is their sample standard deviation (n − 1). All tests are two-sided: paired t, Wilcoxon's \
         signed ranks (exact), sign flips of the mean difference (exact up to 13 pairs).",
    );
    if family > 0 {
        table.note(format!(
            "Corrections over the {family} t tests of this table: Holm keeps the chance of any false finding below the level, \
             Benjamini-Hochberg the share of false findings."
        ));
    }
    let sizes: BTreeSet<usize> = pairs.iter().map(Pair::n).filter(|&n| n >= 2).collect();
    for n in sizes {
        let smallest = smallest_sign_flip_p(n);
        if smallest > ALPHA {
            table.note(format!(
                "With {n} pairs Wilcoxon and sign flips cannot go below p = {smallest}, so they can never reach {ALPHA}; the t test can, \
                 because it takes the differences for normally distributed."
            ));
        }
    }
    missing_cells(table, experiment);
}
