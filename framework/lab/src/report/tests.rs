//! The page holds what it is given, whatever it is called, and asks for nothing else.

use std::collections::BTreeSet;

use balpoe_stats::calibration::{Outcomes, Predictions};
use roxmltree::{Document, Node, ParsingOptions};

use super::curves::Curves;
use super::evidence::Evidence;
use super::{figures, page};
use crate::summary::{Arm, Experiment, Key, Metric, Metrics, Subject};

const AWKWARD: &str = "<b> & \"50 %\" 均衡 τ=2";

fn results() -> Experiment {
    let metrics = |level: f64| -> Metrics {
        let subjects = [Subject::Ensemble, Subject::Corrected, Subject::Expert(0), Subject::Expert(1)];
        let keys = subjects.into_iter().flat_map(|subject| {
            ["forward50", "uniform"].into_iter().flat_map(move |distribution| {
                Metric::ALL.into_iter().map(move |metric| Key::new(subject, distribution, metric))
            })
        });
        keys.map(|key| (key, Some(level))).collect()
    };
    let cells = (1..4).map(|seed| (seed, Ok(metrics(0.5 + seed as f64 / 100.0))));
    let failed = vec![(1, Err("out of memory".to_owned()))];
    let arms = [(AWKWARD, cells.collect()), ("huge", failed)];
    Experiment::new(AWKWARD, arms.map(|(name, cells)| Arm { name: name.to_owned(), cells }).into())
}

fn evidence() -> Evidence {
    let logits = [2.0, 0.0, 0.0, 1.0, 3.0, 0.0];
    let scores = Predictions::logits(&logits, &[0, 1, 1], 2).expect("shapes agree");
    Evidence {
        arm: AWKWARD.to_owned(),
        seeds: 1,
        classes: vec![AWKWARD.to_owned(), "apple".to_owned()],
        counts: vec![120, 0],
        outcomes: Outcomes::of(&scores).expect("finite"),
        bins: 15,
        curves: Curves::default(),
    }
}

fn written() -> String {
    page::page(AWKWARD, &figures::sections(&results().tables(), &[evidence()]), &[])
}

fn name_is(name: &str) -> impl Fn(&Node<'_, '_>) -> bool {
    move |node| node.tag_name().name() == name
}

#[test]
fn it_is_well_formed_and_complete() {
    let page = written();
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&page, options).expect("well-formed");
    let nodes = || document.descendants();
    let titles: BTreeSet<&str> =
        nodes().filter(name_is("svg")).filter_map(|svg| svg.first_element_child()?.text()).collect();
    for kind in [
        "reliability",
        "confidence of predictions",
        "entropy of predictions",
        "confusion matrix",
        "accuracy by expert",
    ] {
        assert!(titles.contains(format!("{AWKWARD}: {kind}").as_str()), "no plot `{kind}` among {titles:?}");
    }
    assert!(titles.contains("accuracy by test distribution"), "{titles:?}");
    assert_eq!(nodes().filter(name_is("table")).count(), results().tables().len() + 1);
    let anchors = nodes().filter(name_is("a")).filter_map(|a| a.attribute("href"));
    for anchor in anchors {
        let section = nodes().find(|node| node.attribute("id") == anchor.strip_prefix('#'));
        assert!(section.is_some(), "{anchor} leads nowhere");
    }
    assert!(page.contains("out of memory"), "the failed cell is named");
}

#[test]
fn it_asks_for_nothing() {
    let page = written();
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&page, options).expect("well-formed");
    assert!(!document.descendants().any(|node| name_is("script")(&node) || name_is("img")(&node)));
    for attribute in document.descendants().flat_map(|node| node.attributes()) {
        let here = attribute.value().starts_with('#') || attribute.value() == "data:,";
        assert!(!matches!(attribute.name(), "href" | "src") || here, "{attribute:?}");
    }
    assert!(!page.contains("url(") && !page.contains("@import"));
}

#[test]
fn the_same_results_give_the_same_bytes() {
    assert_eq!(written(), written());
}
