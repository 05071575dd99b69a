//! Aggregators: finite logits for each sample by itself, and no look at labels.

use balpoe_core::components::{Aggregation, Aggregator, HeldOut, Knowledge, Predictions, SampleSplit};
use balpoe_core::tensor::{Device, Matrix};

use super::Findings;
use crate::generated::{class_counts, difference, predictions, stream};

const CLASSES: usize = 5;

pub(super) fn check(aggregator: &dyn Aggregator, findings: &mut Findings) {
    for experts in [3, 1] {
        let held_out =
            HeldOut::asserted(predictions(experts, 400, CLASSES, SampleSplit::Train, &mut stream(9)));
        let counts = class_counts(CLASSES);
        let unlabelled = predictions(experts, 200, CLASSES, SampleSplit::Test, &mut stream(10));
        let everything = Knowledge {
            class_counts: &counts,
            held_out: Some(&held_out),
            unlabelled: &unlabelled,
            test_prior: Some(&[0.4, 0.3, 0.2, 0.1, 0.0]),
        };
        let aggregation = match aggregator.prepare(everything) {
            Ok(aggregation) => aggregation,
            Err(error) => {
                return findings
                    .note(format!("knowing everything about {experts} experts, it fails: {error}"));
            }
        };
        rows_are_independent(aggregation.as_ref(), &unlabelled, findings);
        lowering_agrees(aggregation.as_ref(), &unlabelled, findings);
        only_looks_at_what_it_may(aggregator, everything, findings);

        // Knowing nothing must be an error or an aggregation, and its logits finite.
        let nothing = Knowledge { held_out: None, test_prior: None, ..everything };
        if let Ok(aggregation) = aggregator.prepare(nothing) {
            rows_are_independent(aggregation.as_ref(), &unlabelled, findings);
        }
    }
}

/// Chunks and other orders of the samples give the same rows.
fn rows_are_independent(aggregation: &dyn Aggregation, samples: &Predictions, findings: &mut Findings) {
    let rows = all(samples);
    let whole = apply(aggregation, samples, &rows);
    findings.expect(whole.len() == rows.len() * CLASSES && whole.iter().all(|z| z.is_finite()), || {
        "combined logits are not all there and finite".to_owned()
    });
    let mut order = rows;
    stream(11).shuffle(&mut order);
    let (first, second) = order.split_at(order.len() / 3);
    let shuffled = [apply(aggregation, samples, first), apply(aggregation, samples, second)].concat();
    let expected: Vec<f32> =
        order.iter().flat_map(|&row| whole[row as usize * CLASSES..][..CLASSES].to_vec()).collect();
    let gap = difference(&shuffled, &expected);
    findings.expect(gap < 1e-6, || format!("a sample's prediction depends on the others by {gap:.1e}"));
}

fn lowering_agrees(aggregation: &dyn Aggregation, samples: &Predictions, findings: &mut Findings) {
    let Some(pool) = aggregation.lower() else { return };
    if pool.weights.len() != samples.experts.len() {
        let (weights, experts) = (pool.weights.len(), samples.experts.len());
        return findings.note(format!("its lowering has {weights} weights for {experts} experts"));
    }
    let experts: Vec<&[f32]> = samples.experts.iter().map(|expert| expert.values.as_slice()).collect();
    let mut combined = vec![0.0; samples.samples() * CLASSES];
    pool.apply(&experts, CLASSES, &mut combined);
    let gap = difference(&combined, &apply(aggregation, samples, &all(samples)));
    findings.expect(gap < 1e-6, || format!("its lowering differs from dfdx's form by {gap:.1e}"));
}

/// Labels of the samples to be predicted must not matter; nor those samples and their prior, unless it says that it adapts.
fn only_looks_at_what_it_may(aggregator: &dyn Aggregator, knowledge: Knowledge<'_>, findings: &mut Findings) {
    let samples = knowledge.unlabelled;
    let rows = all(samples);
    let mut combined = |knowledge: Knowledge<'_>| match aggregator.prepare(knowledge) {
        Ok(aggregation) => Some(apply(aggregation.as_ref(), samples, &rows)),
        Err(error) => {
            findings.note(format!("with other samples to predict it fails: {error}"));
            None
        }
    };
    let expected = combined(knowledge);
    let blind = Predictions { labels: vec![0; samples.samples()], ..samples.clone() };
    let without_labels = combined(Knowledge { unlabelled: &blind, ..knowledge });
    let few = samples.select(&[3, 1, 4]);
    let uniform = [0.2; CLASSES];
    let elsewhere = combined(Knowledge { unlabelled: &few, test_prior: Some(&uniform), ..knowledge });
    findings.expect(without_labels == expected, || {
        "it looks at the labels of the samples that it predicts".to_owned()
    });
    findings.expect(aggregator.adapts() || elsewhere == expected, || {
        "it depends on the samples that it predicts or on their prior, although `adapts` says that it does not".to_owned()
    });
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
