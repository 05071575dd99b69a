//! What compact logits do to figures.

#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};

use balpoe_core::components::{LogitMatrix, SampleSplit};
use balpoe_core::random::{Purpose, Stream};
use balpoe_stats::calibration::{Binning, Outcomes};

use super::{Form, SampleScores, ScoreWriter};
use crate::figures::outcomes;

/// Writes logits and reads them again.
fn kept(form: Form, experts: &[LogitMatrix], labels: &[u32]) -> Vec<LogitMatrix> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions-test.safetensors");
    let classes = experts[0].classes;
    let positions: Vec<u32> = (0..labels.len() as u32).collect();
    let mut writer = ScoreWriter::create(&path, form, (experts.len(), classes), labels, &positions).unwrap();
    let batch = 300;
    for first in (0..labels.len()).step_by(batch) {
        let last = labels.len().min(first + batch);
        let rows = |expert: &LogitMatrix| expert.values[first * classes..last * classes].to_vec();
        writer.push(&experts.iter().map(rows).collect::<Vec<_>>()).unwrap();
    }
    writer.finish().unwrap();
    let read = SampleScores::of_cell(&path, SampleSplit::Test).unwrap();
    assert_eq!(read.labels, labels);
    assert_eq!(read.identities[2], (SampleSplit::Test, 2));
    read.predictions().unwrap().experts
}

fn mean(experts: &[LogitMatrix]) -> LogitMatrix {
    let classes = experts[0].classes;
    let place = |i: usize| experts.iter().map(|expert| expert.values[i]).sum::<f32>() / experts.len() as f32;
    LogitMatrix { values: (0..experts[0].values.len()).map(place).collect(), classes }
}

/// The widest range of a row's logits.
fn range(logits: &LogitMatrix) -> f64 {
    let of_row = |row: &[f32]| {
        row.iter().copied().fold(f32::NEG_INFINITY, f32::max)
            - row.iter().copied().fold(f32::INFINITY, f32::min)
    };
    f64::from(logits.values.chunks_exact(logits.classes).map(of_row).fold(0.0, f32::max))
}

/// Every figure of compact logits beside the exact one; `step` is the widest.
fn compare(exact: &Outcomes, compact: &Outcomes, step: f64) {
    // No log-probability changes by more than two steps, but for what f32 rounds.
    let most = 2.0 * step + 1e-5;
    for (a, b) in exact.rows().iter().zip(compact.rows()) {
        assert!((a.log_loss - b.log_loss).abs() <= most, "{a:?} became {b:?}");
        assert!((a.confidence - b.confidence).abs() <= most * a.confidence, "{a:?} became {b:?}");
    }
    let (a, b) = (exact.all(), compact.all());
    let close = |name: &str, a: f64, b: f64, most: f64| {
        assert!((a - b).abs() <= most, "{name}: {a} became {b}");
    };
    // Errors of single logits have either sign and cancel.
    close("NLL", a.nll(), b.nll(), 0.02 * step);
    close("Brier score", a.brier(), b.brier(), 0.02 * step);
    close("entropy", a.entropy(), b.entropy(), 0.1 * step);
    let ece = |of: &Outcomes| of.all().reliability(Binning::equal_width(15).unwrap()).ece();
    // A prediction may come to lie in the next bin.
    close("ECE", ece(exact), ece(compact), 0.1 * step + 2.0 / exact.rows().len() as f64);
}

fn compare_all(experts: &[LogitMatrix], labels: &[u32]) -> (f64, f64) {
    assert_eq!(kept(Form::Exact, experts, labels), experts);
    let compact = kept(Form::Compact, experts, labels);
    let widest = experts.iter().map(range).fold(0.0, f64::max) / 65_535.0;
    let accuracy = |of: &Outcomes| of.all().accuracy();
    for (exact, compact) in experts.iter().zip(&compact) {
        let (exact, compact) = (outcomes(exact, labels).unwrap(), outcomes(compact, labels).unwrap());
        compare(&exact, &compact, widest);
        assert_eq!(accuracy(&exact).to_bits(), accuracy(&compact).to_bits());
    }
    let (exact, compact) = (mean(experts), mean(&compact));
    let (exact, compact) = (outcomes(&exact, labels).unwrap(), outcomes(&compact, labels).unwrap());
    compare(&exact, &compact, widest);
    (accuracy(&exact), accuracy(&compact))
}

#[test]
fn figures_of_many_classes_stay_within_their_bounds() {
    let (samples, classes) = (160, 8142);
    let mut stream = Stream::new(0, Purpose::Generation, 0, 0);
    let labels: Vec<u32> = (0..samples).map(|_| stream.below(classes) as u32).collect();
    let mut expert = || {
        let mut values: Vec<f32> = (0..samples * classes).map(|_| 4.0 * stream.normal() as f32).collect();
        for (row, &label) in labels.iter().enumerate().filter(|(row, _)| row % 3 > 0) {
            values[row * classes + label as usize] += 16.0;
        }
        LogitMatrix { values, classes }
    };
    let experts = [expert(), expert(), expert()];
    let (exact, compact) = compare_all(&experts, &labels);
    assert_eq!(exact.to_bits(), compact.to_bits());
}

#[test]
fn figures_of_real_logits_stay_within_their_bounds() {
    let Some(folder) = std::env::var_os("BALPOE_DATA").map(|root| PathBuf::from(root).join("logits")) else {
        println!("skipped: BALPOE_DATA is not set");
        return;
    };
    if !folder.is_dir() {
        println!("skipped: BALPOE_DATA holds no logits");
        return;
    }
    let labels: Vec<u32> =
        std::fs::read(folder.join("cifar100_test_labels.u8")).unwrap().into_iter().map(u32::from).collect();
    let experts = ["resnet56", "vgg16_bn", "mobilenetv2_x1_0"].map(|name| real(&folder, name));
    let (exact, compact) = compare_all(&experts, &labels);
    assert_eq!(exact.to_bits(), compact.to_bits(), "{exact} became {compact}");
}

fn real(folder: &Path, name: &str) -> LogitMatrix {
    let bytes = std::fs::read(folder.join(format!("cifar100_{name}.logits.f32"))).unwrap();
    let values = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    LogitMatrix { values, classes: 100 }
}
