//! Published results: the files in `configs/reference`, and what is wrong with others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use balpoe_lab::summary::reference::{Figure, Reference, Row};
use balpoe_lab::summary::{Key, Metric, Subject};
use balpoe_stats::statistics::Sample;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/reference")
}

fn load(name: &str) -> Reference {
    Reference::load(&folder().join(name)).unwrap_or_else(|error| panic!("{error}"))
}

fn figure(row: &Row, distribution: &str, metric: Metric) -> Option<Figure> {
    row.figures.get(&Key::new(Subject::Ensemble, distribution, metric)).copied()
}

/// `Σ wᵢ aᵢ` over the uniform group accuracies, with the share of the classes as weights.
fn from_groups(row: &Row, classes: [f64; 3]) -> Option<f64> {
    let groups = [Metric::Many, Metric::Medium, Metric::Few].into_iter().zip(classes);
    let weighted = groups.map(|(group, classes)| Some(figure(row, "uniform", group)?.mean * classes));
    Some(weighted.sum::<Option<f64>>()? / classes.iter().sum::<f64>())
}

#[test]
fn every_published_file_is_read_and_holds_figures() {
    let files =
        fs::read_dir(folder()).expect("the folder is there").map(|entry| entry.expect("readable").path());
    let files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let reference = Reference::load(&file).unwrap_or_else(|error| panic!("{error}"));
        for row in &reference.rows {
            assert!(!row.figures.is_empty(), "{}: {}", file.display(), row.name);
            for (key, figure) in &row.figures {
                assert!((1.0..100.0).contains(&figure.mean), "{key} of {} is no percentage", row.name);
            }
        }
    }
}

#[test]
fn on_a_balanced_test_set_the_groups_give_the_overall_accuracy() {
    let mut checked = 0;
    for (name, classes) in [
        ("balpoe-cifar100-lt-ir100.toml", [35.0, 35.0, 30.0]),
        ("balpoe-inaturalist2018.toml", [842.0, 4076.0, 3224.0]),
    ] {
        for row in &load(name).rows {
            let Some(overall) = from_groups(row, classes) else { continue };
            let published = figure(row, "uniform", Metric::Accuracy).expect("overall accuracy").mean;
            assert!((overall - published).abs() < 0.001, "{}: {overall} against {published}", row.name);
            checked += 1;
        }
    }
    assert_eq!(checked, 5);
}

#[test]
fn a_figure_is_reproduced_within_three_standard_errors_of_the_difference() {
    let reference = load("balpoe-cifar100-lt-ir100.toml");
    let standard = reference.row("standard").expect("there");
    let key = Key::new(Subject::Ensemble, "uniform", Metric::Accuracy);
    let judge = |values: &[f64]| {
        standard.judge(&key, &Sample::new(values).expect("finite")).expect("sd and n are known")
    };
    // 3 · 0.227 · √(1/1 + 1/5) and 3 · 0.227 · √(1/5 + 1/5), around 51.976.
    assert!((judge(&[51.3]).allowed - 0.745_998).abs() < 1e-6);
    assert!((judge(&[51.3; 5]).allowed - 0.430_702).abs() < 1e-6);
    assert!(judge(&[51.3]).reproduced() && !judge(&[51.2]).reproduced());
    assert!(!judge(&[51.3; 5]).reproduced() && judge(&[52.4; 5]).reproduced());

    let poster = reference.row("poster-balpoe").expect("there");
    let ece = Key::new(Subject::Ensemble, "uniform", Metric::Ece);
    let stated = poster.judge(&ece, &Sample::new([7.8]).expect("finite")).expect("a tolerance");
    assert!(stated.reproduced() && stated.allowed == 3.0);

    let unknown = load("balpoe-cifar100-lt-ir10.toml");
    assert_eq!(unknown.row("long").expect("there").judge(&key, &Sample::new([68.1]).expect("finite")), None);
}

#[test]
fn mistakes_in_a_file_are_named() {
    let row = |figures: &str| {
        format!("title = \"t\"\nsource = \"s\"\n[[row]]\nname = \"a\"\nlabel = \"A\"\n{figures}\n")
    };
    let texts = [
        row("seed = 5"),
        row("seeds = 0"),
        row("[row.figures.ensemble.uniform]\ntop1 = { mean = 50.0 }"),
        row("[row.figures.expert.uniform]\naccuracy = { mean = 50.0 }"),
        row("[row.figures.ensemble.uniform]\naccuracy = { mean = 50.0, sd = -1.0 }"),
        row("[row.figures.ensemble.uniform]\naccuracy = { sd = 1.0 }"),
        row("[[row]]\nname = \"a\"\nlabel = \"B\""),
    ];
    let mistakes = texts
        .map(|text| Reference::parse(&text, Path::new("published.toml")).expect_err("a mistake").to_string());
    let right = Reference::parse(&row(""), Path::new("published.toml")).expect("right");
    let no_such_row = right.row("b").expect_err("no such row").to_string();
    insta::assert_snapshot!(format!("{}\n\n{no_such_row}", mistakes.join("\n\n")));
}

/// Recomputes every figure of the five-seed rows from the published table, with the corrections that the file lists.
#[test]
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn five_seed_figures_follow_from_the_published_table() {
    let Some(path) = std::env::var_os("BALPOE_REFERENCE") else {
        println!("skipped: BALPOE_REFERENCE does not name the published table of five seeds");
        return;
    };
    let table = fs::read_to_string(path).expect("BALPOE_REFERENCE names a readable file");
    let reference = load("balpoe-cifar100-lt-ir100.toml");
    let lines: Vec<&str> = table.lines().collect();
    for (row, heading) in
        [("standard", "Standard-training"), ("long", "long-training"), ("long-7-experts", "more experts")]
    {
        let start = lines.iter().position(|line| line.starts_with(heading)).expect("the block is there");
        let seeds: Vec<_> =
            lines[start + 1..start + 6].iter().zip(1..).map(|(line, seed)| cells(line, row, seed)).collect();
        let row = reference.row(row).expect("there");
        assert_eq!((row.figures.len(), row.seeds), (44, Some(5)));
        for (key, figure) in &row.figures {
            let sample =
                Sample::new(seeds.iter().map(|seed| seed[key]).collect::<Vec<_>>()).expect("five numbers");
            let (mean, sd) = (sample.mean(), sample.sd().expect("five numbers"));
            assert!((figure.mean - mean).abs() < 0.000_51, "{}, {key}: mean {mean}", row.name);
            assert!((figure.sd.expect("given") - sd).abs() < 0.000_51, "{}, {key}: deviation {sd}", row.name);
        }
    }
}

/// The figures of one seed in percent, corrected.
fn cells(line: &str, row: &str, seed: usize) -> BTreeMap<Key, f64> {
    const DISTRIBUTIONS: [&str; 11] = [
        "forward50",
        "forward25",
        "forward10",
        "forward5",
        "forward2",
        "uniform",
        "backward2",
        "backward5",
        "backward10",
        "backward25",
        "backward50",
    ];
    let printed: Vec<&str> = line.trim_end_matches([' ', '\\']).split('&').map(str::trim).collect();
    let number = |column: usize| match (row, seed, printed[column]) {
        ("long", 1, "61,84") => 61.84,
        ("long", 1, "0.3433332") => 0.346_333_3,
        (_, _, printed) => printed.parse().unwrap_or_else(|_| panic!("`{printed}` is no number")),
    };
    let mut figures = BTreeMap::new();
    for (d, distribution) in DISTRIBUTIONS.into_iter().enumerate() {
        let metrics = [Metric::Many, Metric::Medium, Metric::Few, Metric::Accuracy];
        for (m, metric) in metrics.into_iter().enumerate() {
            figures.insert(Key::new(Subject::Ensemble, distribution, metric), number(8 + 5 * d + m));
        }
    }
    // The first columns have the uniform figures as fractions, with more digits and without the wrong 50.97.
    for (column, metric) in [(1, Metric::Accuracy), (3, Metric::Few), (5, Metric::Many), (7, Metric::Medium)]
    {
        figures.insert(Key::new(Subject::Ensemble, "uniform", metric), 100.0 * number(column));
    }
    figures
}
