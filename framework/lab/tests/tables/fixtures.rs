//! Made-up results.

use std::path::Path;

use balpoe_lab::summary::reference::Reference;
use balpoe_lab::summary::{Arm, Experiment, Key, Metric, Metrics, Published, Subject};

/// What is measured in one cell.
struct Measured {
    /// The test distributions.
    distributions: &'static [&'static str],
    /// The number of experts that are measured one by one.
    experts: usize,
    /// Whether the ensemble is measured with prior correction as well.
    corrected: bool,
    /// The metrics.
    metrics: &'static [Metric],
}

const EVERYTHING: Measured = Measured {
    distributions: &["backward50", "forward50", "uniform"],
    experts: 2,
    corrected: true,
    metrics: &Metric::ALL,
};

const LITTLE: Measured = Measured {
    distributions: &["uniform"],
    experts: 0,
    corrected: false,
    metrics: &[Metric::Accuracy, Metric::Few, Metric::Nll],
};

/// The metrics of one cell around the overall accuracy `level` (a fraction), with a little of the seed in each figure.
fn metrics(level: f64, seed: u64, measured: &Measured) -> Metrics {
    let subjects = [Subject::Ensemble].into_iter().chain(measured.corrected.then_some(Subject::Corrected));
    let subjects: Vec<_> = subjects.chain((0..measured.experts).map(Subject::Expert)).collect();
    let mut metrics = Metrics::new();
    for (s, subject) in (0..).zip(subjects) {
        for (d, distribution) in (0..).zip(measured.distributions) {
            for (m, &metric) in (0..).zip(measured.metrics) {
                // A small, uneven wobble that needs no random numbers and depends on the arm.
                let step = (seed * 7 + s * 3 + d * 5 + m * 11 + (level * 1000.0) as u64 * seed) % 13;
                let center = match metric {
                    Metric::Accuracy => level,
                    Metric::Many => level + 0.2,
                    Metric::Medium => level + 0.02,
                    Metric::Few => level - 0.2,
                    Metric::Ece => 0.4 - level / 2.0,
                    Metric::Mce => 0.6 - level / 2.0,
                    Metric::Nll => 3.0 - level * 2.0,
                    _ => 1.0 - level,
                };
                let aside = (d + 2 * s) as f64 / 100.0;
                let key = Key::new(subject, *distribution, metric);
                metrics.insert(key, center - aside + step as f64 / 1000.0);
            }
        }
    }
    metrics
}

/// An arm around the overall accuracy `level`.
fn arm(name: &str, level: f64, seeds: &[u64], measured: &Measured) -> Arm {
    let cells = seeds.iter().map(|&seed| (seed, Ok(metrics(level, seed, measured)))).collect();
    Arm { name: name.to_owned(), cells }
}

/// Two arms with three seeds, beside published figures.
pub(crate) fn two_arms() -> Experiment {
    let mut experiment = Experiment::new("quick", two_arms_of(&EVERYTHING).into())
        .beside(Published { row: published(), arm: Some("balpoe".to_owned()) })
        .expect("the arm exists");
    experiment.protocol = vec!["Selection: last epoch. ECE: 15 equal bins, (lo, hi].".to_owned()];
    experiment
}

fn two_arms_of(measured: &Measured) -> [Arm; 2] {
    [arm("softmax", 0.388, &[1, 2, 3], measured), arm("balpoe", 0.520, &[1, 2, 3], measured)]
}

/// Two arms with one seed.
pub(crate) fn one_seed() -> Experiment {
    let arms = [("softmax", 0.31), ("balpoe", 0.34)].map(|(name, level)| arm(name, level, &[1], &LITTLE));
    Experiment::new("short", arms.into())
}

/// An arm one of whose cells has failed, and an arm all of whose cells have.
pub(crate) fn failed_cells() -> Experiment {
    let [softmax, mut balpoe] = two_arms_of(&LITTLE);
    balpoe.cells[1].1 = Err("loss became NaN in epoch 5".to_owned());
    let broken = Arm { name: "huge".to_owned(), cells: vec![(1, Err("out of memory".to_owned()))] };
    Experiment::new("fragile", vec![softmax, balpoe, broken])
}

/// Results without few-shot classes, and with an NLL that is undefined once.
pub(crate) fn empty_group() -> Experiment {
    let mut arm = arm("balpoe", 0.7, &[1, 2, 3], &LITTLE);
    for (seed, result) in &mut arm.cells {
        let Ok(metrics) = result else { continue };
        metrics.insert(Key::new(Subject::Ensemble, "uniform", Metric::Few), None);
        if *seed == 2 {
            metrics.insert(Key::new(Subject::Ensemble, "uniform", Metric::Nll), f64::INFINITY);
        }
    }
    Experiment::new("cifar10-lt", vec![arm])
}

/// Names that are long, and names that every format must escape.
pub(crate) fn awkward_names() -> Experiment {
    let names = [
        "a name that goes on and on, because somebody describes the whole recipe in it instead of in the notes",
        r#"50% {a}_b & c#1 ~^\ $x$ |pipe| *bold* `code` <b> "quoted", comma"#,
        "均衡 专家 τ=2",
    ];
    let arms = names.iter().zip([0.5, 0.51, 0.45]);
    Experiment::new(
        "names & \"escapes\"",
        arms.map(|(name, level)| arm(name, level, &[1, 2], &LITTLE)).collect(),
    )
}

fn published() -> balpoe_lab::summary::reference::Row {
    let text = r#"
        title = "BalPoE"
        source = "five-seed table"
        [[row]]
        name = "standard"
        label = "BalPoE, 3 experts"
        seeds = 5
        notes = ["calibration from another run"]
        [row.figures.ensemble.uniform]
        accuracy = { mean = 51.98, sd = 0.23 }
        few = { mean = 30.8, sd = 0.43 }
        ece = { mean = 4.9, sd = 1.0, tolerance = 3.0 }
        [row.figures.ensemble.forward50]
        accuracy = { mean = 65.06 }
    "#;
    Reference::parse(text, Path::new("published.toml")).expect("the file is right").rows.remove(0)
}
