//! Every kind of plot, small enough to be read.

use balpoe_lab::plot::{
    ClassAccuracies, Comparison, Confusion, Curve, OutcomeHistogram, Point, ReliabilityDiagram, Series,
    TrainingCurves, stylesheet,
};
use balpoe_stats::calibration::{Binning, Outcomes, Predictions};

const LOGITS: [f32; 15] = [2.0, 0.0, 0.0, 0.0, 1.0, 0.5, 0.0, 3.0, 0.0, 1.0, 0.0, 0.2, 0.0, 0.0, 4.0];
const LABELS: [u32; 5] = [0, 1, 2, 0, 2];

fn outcomes() -> Outcomes {
    Outcomes::of(&Predictions::logits(&LOGITS, &LABELS, 3).expect("shapes agree")).expect("finite")
}

fn names() -> Vec<String> {
    ["apple", "<b> & \"co\"", "均衡"].map(str::to_owned).into()
}

#[expect(clippy::unnecessary_wraps, reason = "the form that lines are given in")]
fn point(mean: f64, deviation: f64) -> Option<Point> {
    Some(Point { mean, deviation: Some(deviation) })
}

#[test]
fn reliability() {
    let outcomes = outcomes();
    let reliability = outcomes.all().reliability(Binning::equal_width(3).expect("three"));
    let plot = ReliabilityDiagram {
        title: "BalPoE: reliability".to_owned(),
        figure: "ECE 4.90 ± 0.31 %".to_owned(),
        bins: reliability.bins().to_vec(),
    };
    insta::assert_snapshot!(plot.svg());
}

#[test]
fn class_accuracies() {
    let plot = ClassAccuracies {
        title: "accuracy of every class".to_owned(),
        classes: names(),
        counts: vec![500, 50, 5],
        arms: vec![
            ("softmax".to_owned(), vec![Some(0.9), Some(0.4), Some(0.1)]),
            ("BalPoE".to_owned(), vec![Some(0.8), None, Some(0.5)]),
        ],
    };
    insta::assert_snapshot!(plot.svg());
}

#[test]
fn comparison() {
    let plot = Comparison {
        title: "accuracy under shifted test distributions".to_owned(),
        conditions_are: "test distribution".to_owned(),
        conditions: vec!["forward50".to_owned(), "uniform".to_owned()],
        measured: "accuracy (%)".to_owned(),
        ordered: true,
        series: vec![
            Series { name: "softmax".to_owned(), points: vec![point(66.0, 0.5), point(38.8, 0.4)] },
            Series {
                name: "published".to_owned(),
                points: vec![Some(Point { mean: 65.0, deviation: None }), None],
            },
        ],
    };
    insta::assert_snapshot!(plot.svg());
}

#[test]
fn confusion() {
    let plot = Confusion {
        title: "BalPoE: confusion matrix".to_owned(),
        classes: names(),
        counts: vec![5, 500, 50],
        matrix: outcomes().all().confusion(),
    };
    insta::assert_snapshot!(plot.svg());
}

#[test]
fn entropy_histogram() {
    let plot = OutcomeHistogram {
        title: "BalPoE: entropy of predictions".to_owned(),
        measured: "entropy (nats)".to_owned(),
        histogram: outcomes().all().entropy_histogram(4),
    };
    insta::assert_snapshot!(plot.svg());
}

#[test]
fn training() {
    let points = [4.0, 2.5, 1.9].map(|mean| Point { mean, deviation: Some(0.1) });
    let plot = TrainingCurves {
        title: "training: loss".to_owned(),
        measured: "loss".to_owned(),
        curves: vec![Curve { name: "BalPoE (n = 3)".to_owned(), points: (1..).zip(points).collect() }],
    };
    insta::assert_snapshot!(plot.svg());
}

#[test]
fn themes() {
    insta::assert_snapshot!(stylesheet());
}
