//! `balpoe evaluate` on the logits of models that were trained elsewhere, and on runs of the store.

#![allow(
    clippy::print_stdout,
    clippy::approx_constant,
    reason = "tests say what they skip; an accuracy may look like a constant"
)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::sandbox::{Outcome, Sandbox, assert_snapshot, run_in};

/// The folder of real logits; none, with a word, where the machine has no data.
fn logits() -> Option<PathBuf> {
    let Some(root) = std::env::var_os("BALPOE_DATA") else {
        println!("skipped: BALPOE_DATA is not set");
        return None;
    };
    Some(Path::new(&root).join("logits"))
}

/// The first row of a table of JSON output, by the headings of its columns.
fn figures(outcome: &Outcome, table: &str) -> impl Fn(&str) -> f64 {
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let tables: Json = serde_json::from_str(&outcome.stdout).expect("JSON");
    let main = tables["tables"]
        .as_array()
        .expect("tables")
        .iter()
        .find(|found| found["name"] == table)
        .expect("the table")
        .clone();
    let names: Vec<String> = main["columns"]
        .as_array()
        .expect("columns")
        .iter()
        .map(|column| column["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    let cells = main["rows"][0]["cells"].as_array().expect("cells").clone();
    move |column| {
        let position = names.iter().position(|name| name == column).expect("the column");
        let value = &cells[position]["value"];
        value["estimate"]["mean"].as_f64().or_else(|| value["number"].as_f64()).expect("a number")
    }
}

/// The names of the models, all with the aggregator, then accuracy, NLL, Brier score, ECE and MCE over 15 bins.
const REFERENCE: [(&str, &str, [f64; 5]); 10] = [
    ("cifar100_resnet56", "mean-logits", [0.7263, 1.294_593, 0.418_196, 0.141_836, 0.314_682]),
    ("cifar100_vgg16_bn", "mean-logits", [0.7400, 1.642_693, 0.437_380, 0.188_774, 0.494_692]),
    ("cifar100_mobilenetv2_x1_0", "mean-logits", [0.7429, 1.069_529, 0.374_682, 0.111_534, 0.271_358]),
    (
        "cifar100_resnet56 cifar100_vgg16_bn cifar100_mobilenetv2_x1_0",
        "mean-logits",
        [0.7912, 0.880_674, 0.317_185, 0.101_914, 0.293_750],
    ),
    (
        "cifar100_resnet56 cifar100_vgg16_bn cifar100_mobilenetv2_x1_0",
        "mean-probabilities",
        [0.7853, 0.839_188, 0.307_016, 0.026_006, 0.123_119],
    ),
    ("cifar10_resnet56", "mean-logits", [0.9437, 0.252_327, 0.094_096, 0.037_440, 0.335_136]),
    (
        "cifar10_resnet56 cifar10_vgg16_bn cifar10_mobilenetv2_x0_75",
        "mean-logits",
        [0.9569, 0.175_130, 0.071_240, 0.026_786, 0.314_431],
    ),
    (
        "cifar10_resnet56 cifar10_vgg16_bn cifar10_mobilenetv2_x0_75",
        "mean-probabilities",
        [0.9561, 0.155_000, 0.069_176, 0.013_210, 0.128_673],
    ),
    ("cifar10_wrn16_4", "probabilities", [0.9109, 0.378_170, 0.143_871, 0.053_716, 0.262_389]),
    ("cifar10_lenet5", "probabilities", [0.5308, 1.369_868, 0.614_152, 0.107_888, 0.185_821]),
];

/// Computed in `float64` by NumPy from the same files: 15 bins `(lo, hi]` of the largest probability; Brier scores are summed over
/// classes.
#[test]
fn real_logits_give_the_figures_of_an_independent_implementation() {
    let Some(folder) = logits() else { return };
    for (models, aggregator, expected) in REFERENCE {
        let classes = if models.starts_with("cifar100") { 100 } else { 10 };
        let (extension, options) = match aggregator {
            "probabilities" => ("probs", "--probabilities".to_owned()),
            _ => ("logits", format!("--set aggregator.kind={aggregator}")),
        };
        let files: Vec<String> = models.split(' ').map(|model| format!("{model}.{extension}.f32")).collect();
        let files = files.join(" ");
        let labels = format!("cifar{classes}_test_labels.u8");
        let command =
            format!("evaluate {files} --labels {labels} --classes {classes} {options} --format json");
        let printed = run_in(&folder, &command);
        let figure = figures(&printed, "main");
        for (column, scale, digits, expected) in [
            ("all", 100.0, 5e-5, expected[0]),
            ("NLL", 1.0, 1e-6, expected[1]),
            ("Brier", 1.0, 1e-6, expected[2]),
            ("ECE", 100.0, 1e-6, expected[3]),
            ("MCE", 100.0, 1e-6, expected[4]),
        ] {
            let found = figure(column) / scale;
            assert!((found - expected).abs() <= digits, "{command}: {column} {found}, expected {expected}");
        }
    }
}

/// The temperatures under which the labels of all 10,000 test images are most likely, by SciPy's bounded minimisation in
/// `float64`, and ECE and NLL at them.
#[test]
fn temperature_of_the_oracle_is_the_reference() {
    let Some(folder) = logits() else { return };
    for (model, classes, temperature, nll, ece) in [
        ("cifar100_resnet56", 100, 1.73722, 1.041_306, 0.026_764),
        ("cifar100_vgg16_bn", 100, 2.00304, 1.115_110, 0.036_918),
        ("cifar10_mobilenetv2_x0_75", 10, 1.58694, 0.194_604, 0.007_992),
    ] {
        let command = format!(
            "evaluate {model}.logits.f32 --labels cifar{classes}_test_labels.u8 --classes {classes} \
             --set calibrator=[{{kind=\"temperature\"}}] --oracle --format json"
        );
        let outcome = run_in(&folder, &command);
        let figure = figures(&outcome, "main");
        assert!((figure("NLL") - nll).abs() < 2e-6, "{model}: NLL {}", figure("NLL"));
        assert!((figure("ECE") / 100.0 - ece).abs() < 2e-5, "{model}: ECE {}", figure("ECE"));
        assert!(
            outcome.stdout.contains("(oracle)") && outcome.stdout.contains("an upper bound, not a result")
        );
        let line = outcome
            .stdout
            .split("temperature on the ensemble: temperature ")
            .nth(1)
            .expect("the temperature");
        let found: f64 = line[..6].parse().expect("a number");
        assert!((found - temperature).abs() < 1e-4, "{model}: temperature {found}, expected {temperature}");
    }
}

/// A `.npy` file of version 1.0.
fn npy(descr: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), numbers].concat()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Two experts, six samples, three classes.
const TWO_EXPERTS: [f32; 36] = [
    2.0, 0.5, 0.1, 0.2, 1.5, 0.4, 0.3, 0.2, 2.5, 1.0, 1.1, 0.2, 0.1, 0.9, 0.3, 1.2, 0.1, 0.3, //
    1.5, 0.2, 0.3, 0.9, 1.0, 0.1, 0.5, 0.1, 1.5, 1.4, 0.3, 0.6, 0.2, 1.8, 0.1, 0.1, 0.4, 0.9,
];

/// A sandbox with `logits.npy` and `labels.txt`.
fn small() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("logits.npy"), npy("<f4", "(2, 6, 3)", &floats(&TWO_EXPERTS))).expect("written");
    sandbox.write("labels.txt", "0 1 2 0 1 2\n");
    sandbox
}

#[test]
fn tables_of_a_small_model() {
    let sandbox = small();
    let mut text = String::new();
    for arguments in [
        "evaluate logits.npy --labels labels.txt --class-counts 500,50,5 --distribution uniform,forward2",
        "evaluate logits.npy --labels labels.txt --set calibrator=[{kind=\"temperature\"}] --folds 2",
        "evaluate logits.npy --labels labels.txt --metrics all --class-counts 500,50,5 --format markdown",
    ] {
        let outcome = sandbox.run(arguments);
        text += &format!("$ balpoe {arguments}\n{}{}\n", outcome.stdout, outcome.stderr);
    }
    assert_snapshot("evaluate", &text);
}

/// The same scores in every form give the same table.
#[test]
fn files_of_every_format_hold_the_same_model() {
    let sandbox = small();
    let whole = sandbox.run("evaluate logits.npy --labels labels.txt");
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    let (first, second) = TWO_EXPERTS.split_at(18);
    fs::write(sandbox.path("a.f32"), floats(first)).expect("written");
    let doubles: Vec<u8> = second.iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect();
    fs::write(sandbox.path("b.npy"), npy("<f8", "(6, 3)", &doubles)).expect("written");
    fs::write(sandbox.path("labels.u8"), [0, 1, 2, 0, 1, 2]).expect("written");
    let labels: Vec<u8> = [0_i64, 1, 2, 0, 1, 2].iter().flat_map(|label| label.to_le_bytes()).collect();
    fs::write(sandbox.path("labels.npy"), npy("<i8", "(6,)", &labels)).expect("written");
    let bytes = [floats(first), floats(second)];
    let shape = vec![6, 3];
    let view = |e: usize| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), &bytes[e])
            .expect("a view")
    };
    let label_view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::I64, vec![6], &labels).expect("a view");
    let file = [("logits.0", view(0)), ("logits.1", view(1)), ("labels", label_view)];
    fs::write(sandbox.path("all.safetensors"), safetensors::serialize(file, None).expect("bytes"))
        .expect("written");
    for arguments in [
        "evaluate a.f32 b.npy --labels labels.u8 --classes 3",
        "evaluate a.f32 b.npy --labels labels.npy --classes 3 --threads 3",
        "evaluate all.safetensors",
    ] {
        let outcome = sandbox.run(arguments);
        assert_eq!((outcome.stdout, outcome.code), (whole.stdout.clone(), Some(0)), "{}", outcome.stderr);
    }
}

#[test]
fn wrong_files_and_options() {
    let sandbox = small();
    let bytes = floats(&TWO_EXPERTS);
    let mut nan = TWO_EXPERTS;
    nan[7] = f32::NAN;
    for (name, content) in [
        ("short.npy", npy("<f4", "(2, 6, 3)", &bytes[..100])),
        ("half.npy", npy("<f2", "(6, 3)", &bytes[..36])),
        ("header.npy", npy("<f4", "(2, 6, 3)", &bytes)[..30].to_vec()),
        ("nan.npy", npy("<f4", "(2, 6, 3)", &floats(&nan))),
        ("five.npy", npy("<f4", "(5, 3)", &bytes[..60])),
        ("odd.f32", bytes[..70].to_vec()),
        ("plain.f32", bytes.clone()),
        ("text.npz", b"no archive".to_vec()),
        ("cut.safetensors", vec![200, 0, 0, 0, 0, 0, 0, 0, b'{']),
    ] {
        fs::write(sandbox.path(name), content).expect("written");
    }
    sandbox.write("far.txt", "0 1 2 0 1 7");
    sandbox.write("words.txt", "cat dog");
    let mut text = String::new();
    for arguments in [
        "evaluate short.npy --labels labels.txt",
        "evaluate half.npy --labels labels.txt",
        "evaluate header.npy --labels labels.txt",
        "evaluate nan.npy --labels labels.txt",
        "evaluate five.npy --labels labels.txt",
        "evaluate odd.f32 --labels labels.txt --classes 3",
        "evaluate plain.f32 --labels labels.txt",
        "evaluate plain.f32 --labels labels.txt --classes 5",
        "evaluate text.npz --labels labels.txt",
        "evaluate cut.safetensors --labels labels.txt",
        "evaluate missing.npy --labels labels.txt",
        "evaluate logits.npy",
        "evaluate logits.npy --labels far.txt",
        "evaluate logits.npy --labels words.txt",
        "evaluate logits.npy --labels labels.txt --probabilities",
        "evaluate logits.npy --labels labels.txt --class-counts 500,50",
        "evaluate logits.npy --labels labels.txt --distribution forward2",
        "evaluate logits.npy --labels labels.txt --set calibrator=[{kind=\"temperature\"}]",
        "evaluate logits.npy --labels labels.txt --fit-on logits.npy",
        "evaluate logits.npy --labels labels.txt --set aggregator.kind=mean-logit",
        "evaluate logits.npy --labels labels.txt --folds 1",
        "evaluate nothing",
    ] {
        text += &sandbox.complaint(arguments);
    }
    assert_snapshot("wrong_files_of_logits", &text);
}

/// Runs are evaluated again from what the store knows; with nothing changed, the table is the experiment's own.
#[test]
fn runs_are_evaluated_again_without_their_file() {
    let sandbox = Sandbox::new();
    let trained = sandbox.run("experiment tiny.toml --set train.epochs=1 --format json");
    assert_eq!(trained.code, Some(0), "{}", trained.stderr);
    fs::remove_file(sandbox.path("tiny.toml")).expect("removed");
    let again = sandbox.run("evaluate tiny --format json");
    assert_eq!((again.stdout, again.code), (trained.stdout.clone(), Some(0)), "{}", again.stderr);

    let product = sandbox.run("evaluate tiny --set aggregator.kind=product-of-experts --format json");
    assert_eq!(figures(&product, "main")("all"), figures(&trained, "main")("all"));
    assert_ne!(figures(&product, "main")("NLL"), figures(&trained, "main")("NLL"));

    let fitted = sandbox.run("evaluate tiny --set calibrator=[{kind=\"temperature\"}] --folds 2");
    assert!(
        fitted.stdout.contains("cross-fitted")
            && fitted.stdout.contains("fold 2: temperature on the ensemble")
    );

    let wrong = sandbox.complaint("evaluate tiny --set train.epochs=2");
    assert_snapshot("an_evaluation_that_would_need_training", &wrong);
}
