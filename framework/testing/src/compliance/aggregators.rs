//! Aggregators: finite logits for each sample by itself, and no look at labels.

use balpoe_core::components::{Aggregation, Aggregator, HeldOut, Knowledge, Predictions, SampleSplit};
use balpoe_core::tensor::{Device, Matrix};

use super::Findings;
use crate::generated::{class_counts, difference, predictions, stream};

const CLASSES: usize = 5;

pub(super) fn check(aggregator: &dyn Aggregator, findings: &mut Findings) {
    for experts in [3, 1] {
        let known = predictions(experts, 400, CLASSES, SampleSplit::Train, &mut stream(9));
        let held_out = HeldOut::asserted(known);
        let counts = class_counts(CLASSES);
        let unlabelled = predictions(experts, 200, CLASSES, SampleSplit::Test, &mut stream(10));
        let prior = [0.4, 0.3, 0.2, 0.1, 0.0];
        let everything = Knowledge {
            class_counts: &counts,
            held_out: Some(&held_out),
            unlabelled: &unlabelled,
            test_prior: Some(&prior),
        };
        let aggregation = match aggregator.prepare(everything) {
            Ok(aggregation) => aggregation,
            Err(error) => {
                return findings
                    .note(format!("knowing everything about {experts} experts, it fails: {error}"));
            }
        };
        behaves(aggregation.as_ref(), &unlabelled, findings);

        // Labels of the samples to be predicted must not matter.
        let blind = Predictions { labels: vec![0; unlabelled.samples()], ..unlabelled.clone() };
        match aggregator.prepare(Knowledge { unlabelled: &blind, ..everything }) {
            Ok(again) => {
                let gap = difference(
                    &apply(again.as_ref(), &blind, &all(&blind)),
                    &apply(aggregation.as_ref(), &unlabelled, &all(&unlabelled)),
                );
                findings.expect(gap == 0.0, || {
                    "it looks at the labels of the samples that it predicts".to_owned()
                });
            }
            Err(error) => {
                findings.note(format!("without the labels of the samples to predict it fails: {error}"))
            }
        }
        // Knowing nothing must be an error or an aggregation, and its logits finite.
        let nothing = Knowledge { held_out: None, test_prior: None, ..everything };
        if let Ok(aggregation) = aggregator.prepare(nothing) {
            behaves(aggregation.as_ref(), &unlabelled, findings);
        }
    }
}

fn behaves(aggregation: &dyn Aggregation, samples: &Predictions, findings: &mut Findings) {
    let rows = all(samples);
    let whole = apply(aggregation, samples, &rows);
    findings.expect(whole.len() == rows.len() * CLASSES && whole.iter().all(|z| z.is_finite()), || {
        "combined logits are not all there and finite".to_owned()
    });
    let mut order = rows.clone();
    stream(11).shuffle(&mut order);
    let (first, second) = order.split_at(order.len() / 3);
    let shuffled = [apply(aggregation, samples, first), apply(aggregation, samples, second)].concat();
    let expected: Vec<f32> =
        order.iter().flat_map(|&row| whole[row as usize * CLASSES..][..CLASSES].to_vec()).collect();
    let gap = difference(&shuffled, &expected);
    findings.expect(gap < 1e-6, || format!("a sample's prediction depends on the others by {gap:.1e}"));
}

fn all(samples: &Predictions) -> Vec<u32> {
    (0..samples.samples() as u32).collect()
}

fn apply(aggregation: &dyn Aggregation, samples: &Predictions, rows: &[u32]) -> Vec<f32> {
    let device = Device::default();
    let chunk = samples.select(rows);
    let experts: Vec<Matrix> =
        chunk.experts.iter().map(|expert| expert.matrix(0..rows.len(), &device)).collect();
    aggregation.apply(&experts).as_vec()
}
