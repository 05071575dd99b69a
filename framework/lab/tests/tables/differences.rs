//! Differences of real published seeds against an independent implementation.

use balpoe_lab::summary::{Arm, Experiment, Key, Metric, Metrics, Subject};
use balpoe_lab::table::{Row, Table, Value};

/// Overall and few-shot accuracy in percent of BalPoE's five published seeds.
const STANDARD: [[f64; 5]; 2] = [[51.69, 51.8, 52.06, 52.25, 52.08], [31.4, 30.47, 30.3, 30.87, 30.97]];
const LONG: [[f64; 5]; 2] = [[55.46, 55.75, 55.29, 55.98, 55.53], [34.63, 35.17, 35.3, 36.67, 36.07]];

fn arm(name: &str, [accuracy, few]: [[f64; 5]; 2]) -> Arm {
    let cells = (1..).zip(accuracy.into_iter().zip(few));
    let cells = cells.map(|(seed, (accuracy, few))| {
        let mut metrics = Metrics::new();
        metrics.insert(Key::new(Subject::Ensemble, "uniform", Metric::Accuracy), accuracy / 100.0);
        metrics.insert(Key::new(Subject::Ensemble, "uniform", Metric::Few), few / 100.0);
        (seed, Ok(metrics))
    });
    Arm { name: name.to_owned(), cells: cells.collect() }
}

fn table(name: &str, experiment: &Experiment) -> Table {
    experiment.tables().into_iter().find(|table| table.name == name).expect("the table is made")
}

/// The numbers of a row of the table of differences: mean, deviation, interval, p, p by Holm, `d_z`.
fn numbers(row: &Row) -> [f64; 7] {
    match row.cells.iter().map(|cell| &cell.value).collect::<Vec<_>>()[..] {
        [
            Value::Number(5.0),
            Value::Estimate(difference),
            Value::Interval(interval),
            Value::PValue(p),
            Value::PValue(holm),
            Value::Number(d_z),
        ] => {
            let sd = difference.sd.expect("five pairs");
            [difference.mean, sd, interval.low, interval.high, *p, *holm, *d_z]
        }
        ref cells => panic!("unexpected cells {cells:?}"),
    }
}

// NumPy 2.4.6, SciPy 1.17.1, statsmodels 0.15.0:
//
// for s, l in zip(STANDARD, LONG):
//     d = np.array(l) - np.array(s); t = scipy.stats.ttest_1samp(d, 0); ci = t.confidence_interval(0.95)
//     print(d.mean(), d.std(ddof=1), ci.low, ci.high, t.pvalue, d.mean() / d.std(ddof=1))
// print(statsmodels.stats.multitest.multipletests([p, …], method="holm")[1])
#[test]
fn differences_are_those_of_scipy() {
    let experiment = Experiment::new("published", vec![arm("standard", STANDARD), arm("long", LONG)]);
    let table = table("differences", &experiment);
    let expected = [
        [
            3.626_000_000_000_000_3,
            0.284_745_500_403_432,
            3.272_441_763_498_543_7,
            3.979_558_236_501_457,
            9.052_426_519_129_755e-6,
            1.810_485_303_825_951e-5,
            12.734_178_397_420_24,
        ],
        [
            4.766_000_000_000_001,
            0.948_567_340_782_928_8,
            3.588_198_083_077_957,
            5.943_801_916_922_045,
            3.574_960_378_303_208e-4,
            3.574_960_378_303_208e-4,
            5.024_419_242_672_047,
        ],
    ];
    assert_eq!(table.rows().len(), expected.len());
    for (row, expected) in table.rows().iter().zip(expected) {
        for (found, expected) in numbers(row).into_iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 1e-9 * expected.abs(),
                "{}: {found} against {expected}",
                row.label
            );
        }
    }
    assert!(table.notes.iter().any(|note| note.contains("p = 0.0625")), "{:?}", table.notes);
}

#[test]
fn the_baseline_is_the_first_arm_unless_another_is_named() {
    let experiment = Experiment::new("published", vec![arm("standard", STANDARD), arm("long", LONG)]);
    let reversed = experiment.clone().compared_with("long").expect("there is such an arm");
    let first = |experiment: &Experiment| numbers(&table("differences", experiment).rows()[0])[0];
    assert_eq!(first(&experiment), -first(&reversed));
    let unknown = experiment.compared_with("short").expect_err("there is no such arm");
    assert_eq!(unknown.to_string(), "expected the name of an arm (standard, long), found `short`");
}
