//! Whatever the data are: well-formed XML, finite coordinates, nothing outside the picture.

use balpoe_lab::plot::{
    ClassAccuracies, Comparison, Confusion, Curve, OutcomeHistogram, Point, ReliabilityDiagram, Series,
    TrainingCurves,
};
use balpoe_stats::calibration::{Binning, Histogram, Outcomes, Predictions};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use roxmltree::{Document, Node};

/// Parses the drawing, and holds its coordinates against its frame.
fn assert_sound(svg: &str) {
    let document = Document::parse(svg).unwrap_or_else(|error| panic!("{error} in\n{svg}"));
    let frame: Vec<f64> = numbers(attribute(document.root_element(), "viewBox")).collect();
    let (width, height) = (frame[2], frame[3]);
    for node in document.descendants().filter(Node::is_element) {
        for attribute in node.attributes() {
            let words = attribute.value();
            assert!(!words.contains("NaN") && !words.contains("inf"), "{} = {words}", attribute.name());
        }
        let inside_scaled = node.ancestors().any(|parent| parent.has_attribute("shape-rendering"));
        if inside_scaled {
            continue;
        }
        for (key, limit) in
            [("x", width), ("x1", width), ("x2", width), ("y", height), ("y1", height), ("y2", height)]
        {
            for value in node.attribute(key).into_iter().flat_map(numbers) {
                assert!((0.0..=limit).contains(&value), "{key} = {value} lies outside {limit}");
            }
        }
        for key in ["width", "height"] {
            for value in node.attribute(key).into_iter().flat_map(numbers) {
                assert!(value >= 0.0, "{key} = {value}");
            }
        }
    }
}

fn attribute<'a>(node: Node<'a, '_>, name: &str) -> &'a str {
    node.attribute(name).unwrap_or_else(|| panic!("no {name}"))
}

fn numbers(words: &str) -> impl Iterator<Item = f64> {
    words.split(' ').map(|word| word.parse().unwrap_or_else(|_| panic!("`{word}` is no number")))
}

/// Words with signs of XML, controls, and letters of any width.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z<>&\"' ]{0,12}",
        "\\PC{0,80}",
        Just("\u{0}\u{b}\u{ffff}".to_owned()),
        Just(String::new())
    ]
}

/// Numbers of any size, and some that are none.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => -100.0..100.0_f64,
        2 => any::<f64>(),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(0.0),
    ]
}

fn point() -> impl Strategy<Value = Point> {
    (number(), option::of(0.0..10.0_f64)).prop_map(|(mean, deviation)| Point { mean, deviation })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn comparisons(title in words(), names in vec(words(), 0..13), ordered: bool, series in vec((words(), vec(option::of(point()), 13)), 0..8)) {
        let series = series.into_iter().map(|(name, mut points)| {
            points.truncate(names.len());
            Series { name, points }
        });
        let plot = Comparison {
            conditions_are: title.clone(), measured: title.clone(), title, ordered,
            series: series.collect(), conditions: names,
        };
        assert_sound(&plot.svg());
    }

    #[test]
    fn curves(title in words(), curves in vec((words(), vec(point(), 0..20)), 0..4)) {
        let curves = curves.into_iter().map(|(name, points)| Curve { name, points: (1..).zip(points).collect() });
        let plot = TrainingCurves { measured: title.clone(), title, curves: curves.collect() };
        assert_sound(&plot.svg());
    }

    #[test]
    fn histograms(title in words(), bins in vec((0.0..1e6_f64, 0.0..1e6_f64), 0..30), high in number()) {
        let (right, wrong) = bins.into_iter().unzip();
        let plot = OutcomeHistogram { measured: title.clone(), title, histogram: Histogram { high, right, wrong } };
        assert_sound(&plot.svg());
    }

    #[test]
    fn plots_of_predictions(
        title in words(),
        classes in 1..40_usize,
        rows in vec((vec(-9.0..9.0_f32, 40), any::<u32>()), 1..30),
        counts in vec(0..2000_usize, 40),
        bins in 1..20_usize,
    ) {
        let logits: Vec<f32> = rows.iter().flat_map(|(row, _)| row[..classes].to_vec()).collect();
        let labels: Vec<u32> = rows.iter().map(|(_, label)| label % classes as u32).collect();
        let outcomes = Outcomes::of(&Predictions::logits(&logits, &labels, classes).unwrap()).unwrap();
        let all = outcomes.all();
        let bins = all.reliability(Binning::equal_width(bins).unwrap()).bins().to_vec();
        assert_sound(&ReliabilityDiagram { title: title.clone(), figure: title.clone(), bins }.svg());
        let names = vec![title.clone(); classes];
        let arms = vec![(title.clone(), all.class_accuracy().as_slice().to_vec())];
        let counts = counts[..classes].to_vec();
        let plot = ClassAccuracies { title: title.clone(), classes: names.clone(), counts: counts.clone(), arms };
        assert_sound(&plot.svg());
        assert_sound(&Confusion { title, classes: names, counts, matrix: all.confusion() }.svg());
    }
}

#[test]
fn thousands_of_classes_stay_a_small_picture() {
    let classes = 2000;
    let labels: Vec<u32> = (0..classes as u32).collect();
    let logits: Vec<f32> = (0..classes * classes)
        .map(|i| if (i / classes * 31 + 7) % classes == i % classes { 9.0 } else { 0.0 })
        .collect();
    let outcomes = Outcomes::of(&Predictions::logits(&logits, &labels, classes).unwrap()).unwrap();
    let names = vec!["species".to_owned(); classes];
    let counts = (0..classes).map(|class| 1000 / (class + 1) + 2).collect();
    let svg = Confusion {
        title: "iNaturalist".to_owned(),
        classes: names,
        counts,
        matrix: outcomes.all().confusion(),
    }
    .svg();
    assert_sound(&svg);
    assert!(svg.len() < 300_000, "{} bytes", svg.len());
}

#[test]
fn empty_plots_are_sound() {
    let reliability = ReliabilityDiagram { title: String::new(), figure: String::new(), bins: Vec::new() };
    let accuracies =
        ClassAccuracies { title: String::new(), classes: Vec::new(), counts: Vec::new(), arms: Vec::new() };
    [reliability.svg(), accuracies.svg()].iter().for_each(|svg| assert_sound(svg));
}
