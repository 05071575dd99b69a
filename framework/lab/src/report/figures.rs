//! Which tables and plots the report has, in which order.

use std::collections::BTreeSet;

use balpoe_stats::calibration::Binning;

use super::evidence::Evidence;
use crate::plot::{
    ClassAccuracies, Comparison, Confusion, Curve, OutcomeHistogram, Point, ReliabilityDiagram, Series,
    TrainingCurves,
};
use crate::table::{Cell, Table, Value};

/// Bins of histograms.
const BINS: usize = 25;

/// A part of the report.
pub(super) struct Section {
    /// Its heading.
    pub(super) heading: &'static str,
    /// What to look for.
    pub(super) words: &'static str,
    /// Its plots.
    pub(super) figures: Vec<Figure>,
    /// Its tables.
    pub(super) tables: Vec<Table>,
}

/// A plot with the name of its file.
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) svg: String,
}

/// The parts of the report that have something to show.
pub(super) fn sections(tables: &[Table], evidence: &[Evidence]) -> Vec<Section> {
    let named = |name: &str| tables.iter().find(|table| table.name == name);
    let take = |names: &[&str]| names.iter().filter_map(|name| named(name)).cloned().collect::<Vec<_>>();
    let shifted =
        ["distributions", "corrected"].into_iter().filter_map(|name| named(name).map(distributions));
    let sections = [
        Section {
            heading: "Results",
            words: "Every figure is a mean over seeds with its sample standard deviation.",
            figures: Vec::new(),
            tables: take(&["main", "differences", "published"]),
        },
        Section {
            heading: "Test distributions",
            words: "Accuracy where the test classes are as frequent as in training (forward), equally frequent (uniform), and \
                    the other way round (backward). Bars are standard deviations over seeds.",
            figures: shifted.collect(),
            tables: take(&["distributions", "corrected"]),
        },
        Section {
            heading: "Experts",
            words: "What each expert is good at, beside the ensemble. Bars are standard deviations over seeds.",
            figures: named("experts").map(experts).unwrap_or_default(),
            tables: take(&["experts"]),
        },
        Section {
            heading: "Tuning",
            words: "What the sweeps tried. No setting was looked at on the test images before it was chosen.",
            figures: Vec::new(),
            tables: take(&["tuning"]),
        },
        Section {
            heading: "Calibration",
            words: "The whole test set, the predictions of all seeds together. Bars of a calibrated predictor end at the \
                    dashed diagonal.",
            figures: evidence.iter().flat_map(|arm| calibration(arm, named("main"))).collect(),
            tables: Vec::new(),
        },
        Section {
            heading: "Classes",
            words: "The whole test set, the predictions of all seeds together. Horizontal lines are the means of the shot groups; \
                    the colours of the confusion matrix follow the root of the share, so that rare confusions show.",
            figures: classes(evidence),
            tables: Vec::new(),
        },
        Section {
            heading: "Training",
            words: "Means over seeds with their standard deviations as bands, on the training images as they were augmented \
                    and mixed.",
            figures: training(evidence),
            tables: Vec::new(),
        },
    ];
    sections
        .into_iter()
        .filter(|section| !(section.figures.is_empty() && section.tables.is_empty()))
        .collect()
}

fn distributions(table: &Table) -> Figure {
    let comparison = Comparison {
        title: match table.name.as_str() {
            "corrected" => "accuracy with the known test prior".to_owned(),
            _ => "accuracy by test distribution".to_owned(),
        },
        conditions_are: table.row_heading.clone(),
        conditions: table.rows().iter().map(|row| row.label.clone()).collect(),
        measured: "accuracy (%)".to_owned(),
        ordered: true,
        series: table
            .columns
            .iter()
            .enumerate()
            .map(|(column, heading)| Series {
                name: heading.name.clone(),
                points: table.rows().iter().map(|row| point(&row.cells[column])).collect(),
            })
            .collect(),
    };
    Figure { name: table.name.clone(), svg: comparison.svg() }
}

/// One plot for each arm that has several experts.
fn experts(table: &Table) -> Vec<Figure> {
    let accuracies: Vec<usize> = (0..table.columns.len())
        .filter(|&column| table.columns[column].group.as_deref() == Some("accuracy"))
        .collect();
    let arms = table.rows().chunk_by(|a, b| a.group == b.group);
    let arms = arms.filter(|rows| rows.len() > 2).filter_map(|rows| Some((rows[0].group.as_deref()?, rows)));
    arms.map(|(arm, rows)| {
        let comparison = Comparison {
            title: format!("{arm}: accuracy by expert"),
            conditions_are: "classes".to_owned(),
            conditions: accuracies.iter().map(|&column| table.columns[column].name.clone()).collect(),
            measured: "accuracy (%)".to_owned(),
            ordered: false,
            series: rows
                .iter()
                .map(|row| Series {
                    name: row.label.clone(),
                    points: accuracies.iter().map(|&column| point(&row.cells[column])).collect(),
                })
                .collect(),
        };
        Figure { name: file_name("experts", arm), svg: comparison.svg() }
    })
    .collect()
}

fn calibration(evidence: &Evidence, main: Option<&Table>) -> Vec<Figure> {
    let arm = &evidence.arm;
    let all = evidence.outcomes.all();
    let Ok(binning) = Binning::equal_width(evidence.bins) else { return Vec::new() };
    let diagram = ReliabilityDiagram {
        title: format!("{arm}: reliability"),
        figure: main.and_then(|table| calibration_error(table, arm)).unwrap_or_default(),
        bins: all.reliability(binning).bins().to_vec(),
    };
    let histogram = |measured: &str, axis: &str, histogram| OutcomeHistogram {
        title: format!("{arm}: {measured} of predictions"),
        measured: axis.to_owned(),
        histogram,
    };
    let confidence =
        histogram("confidence", "confidence (largest probability)", all.confidence_histogram(BINS));
    let entropy = histogram("entropy", "entropy (nats)", all.entropy_histogram(BINS));
    vec![
        Figure { name: file_name("reliability", arm), svg: diagram.svg() },
        Figure { name: file_name("confidence", arm), svg: confidence.svg() },
        Figure { name: file_name("entropy", arm), svg: entropy.svg() },
    ]
}

/// The calibration error of an arm as the table has it.
fn calibration_error(main: &Table, arm: &str) -> Option<String> {
    let column = main.columns.iter().position(|column| column.name == "ECE")?;
    let row = main.rows().iter().find(|row| row.label == arm)?;
    let point = point(&row.cells[column])?;
    Some(match point.deviation {
        Some(deviation) => format!("ECE {:.2} ± {deviation:.2} %", point.mean),
        None => format!("ECE {:.2} %", point.mean),
    })
}

fn classes(evidence: &[Evidence]) -> Vec<Figure> {
    let Some(first) = evidence.first() else { return Vec::new() };
    // Arms on other data have other classes, and get a plot of their own.
    let mut figures = Vec::new();
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    for arm in evidence {
        if shown.contains(arm.arm.as_str()) {
            continue;
        }
        let alike =
            || evidence.iter().filter(|other| other.classes == arm.classes && other.counts == arm.counts);
        let plot = ClassAccuracies {
            title: "accuracy of every class by its training images".to_owned(),
            classes: arm.classes.clone(),
            counts: arm.counts.clone(),
            arms: alike()
                .map(|arm| (arm.arm.clone(), arm.outcomes.all().class_accuracy().as_slice().to_vec()))
                .collect(),
        };
        shown.extend(alike().map(|other| other.arm.as_str()));
        let name = if arm.arm == first.arm { "classes".to_owned() } else { file_name("classes", &arm.arm) };
        figures.push(Figure { name, svg: plot.svg() });
    }
    figures.extend(evidence.iter().map(|arm| {
        let plot = Confusion {
            title: format!("{}: confusion matrix", arm.arm),
            classes: arm.classes.clone(),
            counts: arm.counts.clone(),
            matrix: arm.outcomes.all().confusion(),
        };
        Figure { name: file_name("confusion", &arm.arm), svg: plot.svg() }
    }));
    figures
}

fn training(evidence: &[Evidence]) -> Vec<Figure> {
    let metrics: BTreeSet<&str> = evidence.iter().flat_map(|arm| arm.curves.metrics()).collect();
    let figure = |metric: &str| {
        let words = metric.replace('_', " ");
        let (scale, measured) =
            if metric == "accuracy" { (100.0, "accuracy (%)".to_owned()) } else { (1.0, words.clone()) };
        let curve = |arm: &Evidence| {
            let points = arm.curves.points(metric, scale);
            Curve { name: format!("{} (n = {})", arm.arm, arm.seeds), points }
        };
        let curves = evidence.iter().map(curve).filter(|curve| !curve.points.is_empty()).collect();
        let plot = TrainingCurves { title: format!("training: {words}"), measured, curves };
        Figure { name: file_name("training", metric), svg: plot.svg() }
    };
    // The loss first, then by name.
    let mut metrics: Vec<&str> = metrics.into_iter().collect();
    metrics.sort_by_key(|&metric| metric != "loss");
    metrics.into_iter().map(figure).collect()
}

fn point(cell: &Cell) -> Option<Point> {
    match &cell.value {
        Value::Estimate(estimate) => Some(Point { mean: estimate.mean, deviation: estimate.sd }),
        _ => None,
    }
}

fn file_name(kind: &str, arm: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    format!("{kind}-{}", arm.chars().map(plain).collect::<String>())
}
