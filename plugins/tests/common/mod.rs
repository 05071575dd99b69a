//! Outputs of trained networks, and their scores.

use std::path::Path;

use balpoe_core::components::{LogitMatrix, Predictions, SampleSplit};
use balpoe_stats::calibration::{Outcomes, Predictions as Scored};

/// The logits of some networks on the whole test set of `cifar10` or `cifar100`; none, with a word, without the files.
pub(crate) fn real(dataset: &str, models: &[&str]) -> Option<Predictions> {
    let Some(root) = std::env::var_os("BALPOE_DATA") else {
        println!("skipped: BALPOE_DATA is not set");
        return None;
    };
    let read = |name: String| std::fs::read(Path::new(&root).join("logits").join(name)).unwrap();
    let labels: Vec<u32> = read(format!("{dataset}_test_labels.u8")).into_iter().map(u32::from).collect();
    let expert = |model: &&str| {
        let bytes = read(format!("{dataset}_{model}.logits.f32"));
        let values: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        LogitMatrix { classes: values.len() / labels.len(), values }
    };
    let experts = models.iter().map(expert).collect();
    let identities = (0..labels.len() as u32).map(|i| (SampleSplit::Test, i)).collect();
    Some(Predictions { experts, labels, identities })
}

/// Three networks as experts.
#[allow(dead_code, reason = "each test file is a program of its own and uses what it needs")]
pub(crate) fn real_experts(dataset: &str) -> Option<Predictions> {
    let mobilenet = if dataset == "cifar100" { "mobilenetv2_x1_0" } else { "mobilenetv2_x0_75" };
    real(dataset, &["resnet56", "vgg16_bn", mobilenet])
}

/// Logits scored against the labels.
pub(crate) fn score(logits: &[f32], predictions: &Predictions) -> Outcomes {
    let scored = Scored::logits(logits, &predictions.labels, predictions.classes()).unwrap();
    Outcomes::of(&scored).unwrap()
}
