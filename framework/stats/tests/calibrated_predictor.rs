//! A perfectly calibrated predictor with a million samples: every calibration error stays within three times the
//! sampling bias that is expected of it.

use std::f64::consts::{FRAC_2_PI, PI, TAU};

use balpoe_stats::calibration::{Binning, GroupBy, Groups, Outcomes, Predictions, Reliability, ShotGroup};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

const ROWS: usize = 1_000_000;
const CLASSES: usize = 10;

/// In (0, 1].
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// Normal logits, and labels drawn from their softmax: calibrated in every sense.
fn calibrated() -> (Vec<f32>, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut logits = Vec::with_capacity(ROWS * CLASSES);
    let mut labels = Vec::with_capacity(ROWS);
    for _ in 0..ROWS {
        let scale = 0.5 + 3.5 * uniform(&mut rng);
        let row: [f32; CLASSES] = std::array::from_fn(|_| {
            let radius = (-2.0 * uniform(&mut rng).ln()).sqrt();
            (scale * radius * (TAU * uniform(&mut rng)).cos()) as f32
        });
        let weights = row.map(|logit| f64::from(logit).exp());
        let mut left = uniform(&mut rng) * weights.iter().sum::<f64>();
        let label = weights.iter().position(|weight| {
            left -= weight;
            left <= 0.0
        });
        labels.push(label.unwrap_or(CLASSES - 1) as u32);
        logits.extend(row);
    }
    (logits, labels)
}

/// The largest expected `|gap|` of the bins with at least 1,000 rows.
fn largest_if_calibrated(reliability: &Reliability) -> f64 {
    let large = reliability.bins().iter().filter(|bin| bin.effective_rows >= 1_000.0);
    large
        .map(|bin| (FRAC_2_PI * bin.confidence * (1.0 - bin.confidence) / bin.effective_rows).sqrt())
        .fold(0.0, f64::max)
}

#[test]
fn every_calibration_error_stays_within_three_times_its_sampling_bias() {
    let (logits, labels) = calibrated();
    let predictions = Predictions::logits(&logits, &labels, CLASSES).unwrap();
    let outcomes = Outcomes::of(&predictions).unwrap();
    let all = outcomes.all();
    let within = |name: &str, error: f64, bias: f64| {
        assert!(error <= 3.0 * bias, "{name} is {error}, and {bias} is expected");
    };
    let (width, mass) = (Binning::default(), Binning::equal_mass(15).unwrap());

    for binning in [width, mass] {
        let reliability = all.reliability(binning);
        let bias = reliability.ece_if_calibrated();
        // The mean square of a gap is π/2 times its squared mean modulus.
        let variance: f64 = reliability
            .bins()
            .iter()
            .map(|bin| {
                bin.weight / ROWS as f64 * bin.confidence * (1.0 - bin.confidence) / bin.effective_rows
            })
            .sum();
        within("ECE", reliability.ece(), bias);
        within("debiased ECE", reliability.debiased_ece(), bias);
        within("l2", reliability.l2(), variance.sqrt());
        within("debiased l2", reliability.debiased_l2(), variance.sqrt());
        within("MCE", reliability.mce_over(1_000.0), largest_if_calibrated(&reliability));
        // Half of all gaps are positive, and confidence is below 1.
        within("overconfidence", reliability.overconfidence(), bias / 2.0);

        for threshold in [0.0, 0.01] {
            let classes = all.class_reliability(&predictions, binning, threshold).unwrap();
            let bias = classes.errors(Reliability::ece_if_calibrated).mean().unwrap();
            within("class-wise ECE", classes.ece().mean().unwrap(), bias);
            within(
                "debiased class-wise ECE",
                classes.errors(Reliability::debiased_ece).mean().unwrap(),
                bias,
            );
        }
    }

    let balanced = all.class_balanced().reliability(width);
    within("class-balanced ECE", balanced.ece(), balanced.ece_if_calibrated());
    // By predicted class: of the rows with a given label, no predictor is calibrated.
    let groups = Groups::from_training_counts(&[500, 400, 300, 200, 100, 50, 30, 20, 10, 5]);
    let of_groups = all.by_group(&groups, GroupBy::Prediction).unwrap();
    for group in ShotGroup::ALL {
        let reliability = of_groups.get(group).as_ref().unwrap().reliability(width);
        within("ECE of a group", reliability.ece(), reliability.ece_if_calibrated());
    }

    // The smoothed residual at z has variance f(z) z (1 - z) ∫K² / n; Jensen's inequality bounds its mean modulus.
    let variance = all.mean(|outcome| outcome.confidence * (1.0 - outcome.confidence));
    let noise = |kernel_square: f64| (FRAC_2_PI * variance * kernel_square / ROWS as f64).sqrt();
    let bandwidth = 0.01;
    within("KDE-ECE", all.kde_ece(Some(bandwidth)), noise(350.0 / 429.0 / (3.0 * bandwidth)));
    let smooth = all.smooth_ece();
    within("smooth ECE", smooth, noise(1.0 / (2.0 * PI.sqrt() * smooth)));
}
