//! Aggregators on the outputs of three trained networks, taken as experts.
//!
//! Needs real logits: a folder named by `BALPOE_DATA` with `logits/`.

#![allow(
    clippy::print_stdout,
    clippy::approx_constant,
    reason = "tests say what they measured and what they skip; a likelihood may look like a constant"
)]

mod common;

use balpoe_core::components::{Aggregator, HeldOut, Knowledge, Predictions};
use balpoe_core::tensor::{Device, Matrix};
use balpoe_plugins::aggregators::{
    Bbse, BestExpert, EmPrior, MajorityVote, MeanLogits, MeanProbabilities, PriorCorrected, ProductOfExperts,
    SadeWeights, Weighted,
};
use common::{real_experts, score};

struct Setting<'a> {
    held_out: Option<&'a HeldOut>,
    prior: Option<&'a [f64]>,
    scored: &'a Predictions,
}

/// Accuracy, negative log-likelihood and summary.
fn evaluate(aggregator: &dyn Aggregator, setting: &Setting<'_>) -> (f64, f64, String) {
    let scored = setting.scored;
    let counts = vec![100; scored.classes()];
    let knowledge = Knowledge {
        class_counts: &counts,
        held_out: setting.held_out,
        unlabelled: scored,
        test_prior: setting.prior,
    };
    let aggregation = aggregator.prepare(knowledge).unwrap();
    let device = Device::default();
    let experts: Vec<Matrix> =
        scored.experts.iter().map(|e| e.matrix(0..scored.samples(), &device)).collect();
    let outcomes = score(&aggregation.apply(&experts).as_vec(), scored);
    (outcomes.all().accuracy(), outcomes.all().nll(), aggregation.summary())
}

/// Means of logits and of probabilities, computed with NumPy in f64 on all 10,000 test images.
#[test]
fn means_are_the_reference_values() {
    for (dataset, logits, probabilities) in [
        ("cifar100", (0.7912, 0.880_674), (0.7853, 0.839_188)),
        ("cifar10", (0.9569, 0.175_130), (0.9561, 0.155_000)),
    ] {
        let Some(scored) = real_experts(dataset) else { return };
        let setting = Setting { held_out: None, prior: None, scored: &scored };
        for (aggregator, (accuracy, nll)) in
            [(&MeanLogits {} as &dyn Aggregator, logits), (&MeanProbabilities {}, probabilities)]
        {
            let found = evaluate(aggregator, &setting);
            assert!((found.0 - accuracy).abs() < 1e-9, "{aggregator:?}: {found:?}");
            assert!((found.1 - nll).abs() < 2e-6, "{aggregator:?}: {found:?}");
        }
        let product = evaluate(&ProductOfExperts {}, &setting);
        assert!((product.0 - logits.0).abs() < 1e-9, "{product:?}");
    }
}

/// On a long-tailed half of the test images, fitted on the other half.
#[test]
fn what_is_known_of_the_test_images_helps() {
    let Some(all) = real_experts("cifar100") else { return };
    let (mut known, mut tail, mut seen) = (Vec::new(), Vec::new(), vec![0; 100]);
    let kept = |class: usize| (50.0 * 0.02_f64.powf(class as f64 / 99.0)) as usize;
    for (row, &label) in all.labels.iter().enumerate() {
        seen[label as usize] += 1;
        if seen[label as usize] > 50 {
            known.push(row as u32);
        } else if seen[label as usize] <= kept(label as usize) {
            tail.push(row as u32);
        }
    }
    let held_out = HeldOut::asserted(all.select(&known));
    let scored = all.select(&tail);
    let prior: Vec<f64> = (0..100).map(|class| kept(class) as f64 / tail.len() as f64).collect();
    let setting = Setting { held_out: Some(&held_out), prior: Some(&prior), scored: &scored };
    let run = |aggregator: &dyn Aggregator| {
        let found = evaluate(aggregator, &setting);
        println!("{aggregator:?}: accuracy {:.4}, NLL {:.4} {}", found.0, found.1, found.2);
        found
    };
    let mean = run(&MeanLogits {});
    let corrected = run(&PriorCorrected::default());
    assert!(corrected.0 > mean.0 + 0.02 && corrected.1 < mean.1);
    for estimated in [&EmPrior::default() as &dyn Aggregator, &Bbse::default()] {
        let found = run(estimated);
        assert!(found.0 > mean.0 && found.1 < mean.1, "{estimated:?}");
    }
    let weighted = run(&Weighted::default());
    assert!(weighted.1 < mean.1);
    let best = run(&BestExpert::default());
    let vote = run(&MajorityVote {});
    run(&SadeWeights {});
    assert!(best.0 < mean.0 && vote.0 > best.0);
}
