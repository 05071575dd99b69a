//! Comparisons of arms whose figures are known, against SciPy and statsmodels.

use std::collections::BTreeMap;

use balpoe_lab::comparison::{ArmImages, Comparison};
use balpoe_lab::summary::{Arm, Experiment, Key, Metric, Metrics, Subject};
use balpoe_lab::table::{Format, Table, Value, render};
use balpoe_stats::statistics::Level;

fn arm(name: &str, accuracy: &[f64], ece: &[f64]) -> Arm {
    let cell = |(seed, (&accuracy, &ece)): (u64, (&f64, &f64))| {
        let key = |metric| Key::new(Subject::Ensemble, "uniform", metric);
        let entries =
            [(key(Metric::Accuracy), Some(accuracy / 100.0)), (key(Metric::Ece), Some(ece / 100.0))];
        (seed, Ok(entries.into_iter().collect::<Metrics>()))
    };
    Arm { name: name.to_owned(), cells: (1..).zip(accuracy.iter().zip(ece)).map(cell).collect() }
}

fn experiment() -> Experiment {
    let balanced = arm("balanced", &[52.1, 51.8, 52.4, 51.6, 52.0], &[10.1, 11.2, 9.8, 10.6, 10.9]);
    let plain = arm("plain", &[51.6, 51.5, 51.9, 51.7, 51.2], &[12.0, 12.9, 11.1, 12.6, 12.2]);
    Experiment::new("made up", vec![plain, balanced])
}

fn comparison() -> Comparison {
    Comparison { baseline: None, metrics: Vec::new(), distribution: "uniform".to_owned(), level: Level::P95 }
}

/// The number in a cell, by the table's name, the row and the column.
fn number(tables: &[Table], name: &str, row: usize, column: usize) -> f64 {
    let table = tables.iter().find(|table| table.name == name).expect("the table");
    match &table.rows()[row].cells[column].value {
        Value::Number(number) | Value::PValue(number) => *number,
        Value::Estimate(estimate) => estimate.mean,
        other => panic!("no number: {other:?}"),
    }
}

/// SciPy 1.17.1 and statsmodels, for both metrics: `ttest_rel(x, y).pvalue`, `wilcoxon(x, y, method="exact").pvalue`,
/// `permutation_test((x - y,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue`,
/// `multipletests(p, method="holm")`, `multipletests(p, method="fdr_bh")`; `d.mean() / d.std(ddof=1)`, Hedges' g with the exact
/// gamma-function factor, `np.sign(x[:, None] - y[None]).mean()`, `trim_mean(x, 0.25)`, `trim_mean(y, 0.25)`.
#[test]
fn tests_and_effects_are_those_of_scipy() {
    let tables = comparison().tables(&experiment(), &[]).expect("tables");
    let tests = [
        [0.4, 0.054_274_015_969_638_92, 0.125, 0.125, 0.054_274_015_969_638_92, 0.054_274_015_969_638_92],
        [
            -1.64,
            0.000_367_097_974_050_760_34,
            0.0625,
            0.0625,
            0.000_734_195_948_101_5,
            0.000_734_195_948_101_5,
        ],
    ];
    for (row, expected) in tests.iter().enumerate() {
        for (column, expected) in [1, 3, 4, 5, 6, 7].into_iter().zip(expected) {
            let found = number(&tables, "tests", row, column);
            assert!(
                (found - expected).abs() < 1e-10,
                "row {row}, column {column}: {found}, expected {expected}"
            );
        }
    }
    // Where lower is better, delta and the order count in the better direction.
    let effects = [
        [1.206_045_378_311_055, 1.280_623_518_441_667_9, 0.72, 0.86, 51.966_666_666_666_67, 51.6],
        [
            -4.990_361_079_491_503,
            -2.340_770_840_392_436_5,
            0.92,
            0.96,
            10.533_333_333_333_333,
            12.266_666_666_666_666,
        ],
    ];
    for (row, expected) in effects.iter().enumerate() {
        for (column, expected) in [0, 1, 2, 3, 5, 6].into_iter().zip(expected) {
            let found = number(&tables, "effects", row, column);
            assert!(
                (found - expected).abs() < 1e-9,
                "row {row}, column {column}: {found}, expected {expected}"
            );
        }
        let epsilon = number(&tables, "effects", row, 4);
        assert!((0.0..0.5).contains(&epsilon), "row {row}: ε_min {epsilon}");
    }
    let text = render(&tables, Format::Text);
    assert!(text.contains("With 5 pairs Wilcoxon and sign flips cannot go below p = 0.0625"), "{text}");
}

/// `scipy.stats.binomtest(12, 15, 0.5).pvalue` of SciPy 1.17.1.
#[test]
fn images_are_compared_seed_by_seed_and_together() {
    let labels: Vec<u32> = (0..100).map(|image| image % 4).collect();
    let right = |wrong: &dyn Fn(u32) -> bool| (0..100).map(|image| !wrong(image)).collect::<Vec<_>>();
    // 3 images only the treatment gets wrong, 12 only the baseline.
    let treatment = right(&|image| image < 13);
    let baseline = right(&|image| (3..25).contains(&image));
    let images = |arm: &str, right: &[bool]| ArmImages {
        arm: arm.to_owned(),
        right: BTreeMap::from([(1, right.to_vec()), (2, right.to_vec())]),
        labels: labels.clone(),
    };
    let arms = [images("plain", &baseline), images("balanced", &treatment)];
    let tables = comparison().tables(&experiment(), &arms).expect("tables");
    for seed in 0..2 {
        assert_eq!([number(&tables, "images", seed, 1), number(&tables, "images", seed, 2)], [12.0, 3.0]);
        assert!((number(&tables, "images", seed, 3) - 9.0).abs() < 1e-12);
        assert!((number(&tables, "images", seed, 5) - 0.035_156_25).abs() < 1e-12);
        assert!((number(&tables, "images", seed, 6) - 0.070_312_5).abs() < 1e-12);
    }
    // Two equal seeds add no variance: the interval is that of the images, which is about ± 2 √15 points.
    let table = tables.iter().find(|table| table.name == "images").expect("the table");
    let Value::Interval(interval) = table.rows()[2].cells[4].value else { panic!("an interval") };
    assert!(interval.contains(9.0) && (5.0..9.0).contains(&interval.half_width()), "{interval:?}");
}

#[test]
fn baselines_and_metrics_are_chosen() {
    let chosen =
        Comparison { baseline: Some("balanced".to_owned()), metrics: vec![Metric::Ece], ..comparison() };
    let tables = chosen.tables(&experiment(), &[]).expect("tables");
    assert_eq!(tables[0].rows().len(), 1);
    assert!((number(&tables, "tests", 0, 1) - 1.64).abs() < 1e-12);
    let unknown = Comparison { baseline: Some("other".to_owned()), ..comparison() };
    assert!(unknown.tables(&experiment(), &[]).is_err());
}
