//! Calibration metrics on hand-made rows: definitions, edges, ties, weights and refusals.

use std::num::NonZeroUsize;

use balpoe_stats::calibration::{
    Binning, EvaluationError, Groups, Outcomes, PerGroup, Predictions, ShotGroup,
};

/// Six rows of three logits, from a specification of the reference implementation.
const LOGITS: [f32; 18] = [2., 1., 0., 0., 3., 0., 1., 1.1, 0.9, 4., 0., -1., 0.2, 0.1, 0.3, 0., 0., 2.];
const LABELS: [u32; 6] = [0, 1, 0, 2, 2, 1];

fn six_rows() -> Outcomes {
    Outcomes::of(&Predictions::logits(&LOGITS, &LABELS, 3).unwrap()).unwrap()
}

fn close(ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() < 5e-7, "{ours} against {theirs}");
}

fn width(bins: usize) -> Binning {
    Binning::equal_width(bins).unwrap()
}

/// Rows with the given confidences for class 0 of two, right or wrong.
fn two_class_rows(rows: &[(f32, bool)]) -> Outcomes {
    let scores: Vec<f32> = rows.iter().flat_map(|&(p, _)| [p, 1.0 - p]).collect();
    let labels: Vec<u32> = rows.iter().map(|&(_, right)| u32::from(!right)).collect();
    Outcomes::of(&Predictions::probabilities(&scores, &labels, 2).unwrap()).unwrap()
}

/// The ECE, MCE and overconfidence of the reference implementation. Its class-wise error is not the definition's: it is
/// 0.581802 with 15 bins and 0.529172 with 5, for it counts agreement on "not class k" as success.
///
/// ```python
/// # numpy 2.4.6, scipy 1.17.1
/// p = scipy.special.softmax(z, 1); s = []
/// for k in range(3):
///     q = p[:, k]; h = y == k; b = np.ceil(q * B).astype(int) - 1
///     s.append(sum((b == i).mean() * abs(q[b == i].mean() - h[b == i].mean()) for i in range(B) if (b == i).any()))
/// print(np.mean(s))
/// ```
#[test]
fn six_rows_give_the_reference_values() {
    let outcomes = six_rows();
    let confidences = [0.665_241_0, 0.909_443_0, 0.367_165_4, 0.975_558_8, 0.367_165_4, 0.786_986_0];
    for (outcome, (confidence, prediction)) in
        outcomes.rows().iter().zip(confidences.into_iter().zip([0, 1, 1, 0, 2, 2]))
    {
        close(outcome.confidence, confidence);
        assert_eq!(outcome.prediction, prediction);
    }
    for (bins, ece, mce, overconfidence, class_wise) in [
        (15, 0.408_921_673_4, 0.975_558_754_9, 0.261_843_652_5, 0.359_482_434_9),
        (5, 0.267_149_658_2, 0.442_500_876_7, 0.193_747_176_1, 0.314_092_640_1),
    ] {
        let all = outcomes.all();
        let reliability = all.reliability(width(bins));
        close(reliability.ece(), ece);
        close(reliability.mce(), mce);
        close(reliability.overconfidence(), overconfidence);
        let predictions = Predictions::logits(&LOGITS, &LABELS, 3).unwrap();
        close(
            all.class_reliability(&predictions, width(bins), 0.0).unwrap().ece().mean().unwrap(),
            class_wise,
        );
    }
}

#[test]
fn an_edge_belongs_to_the_bin_below_and_one_to_the_last() {
    let outcomes = two_class_rows(&[(0.75, true), (0.5, true), (1.0, true), (0.750_000_1, false)]);
    let reliability = outcomes.all().reliability(width(4));
    let bins: Vec<_> = reliability.bins().iter().map(|bin| (bin.low, bin.high, bin.weight)).collect();
    assert_eq!(bins, [(0.25, 0.5, 1.0), (0.5, 0.75, 1.0), (0.75, 1.0, 2.0)]);
}

#[test]
fn equal_mass_bins_never_part_equal_confidences() {
    let rows = [(0.6, true), (0.6, false), (0.6, true), (0.6, false), (0.9, true), (0.95, true)];
    let mut reversed = rows;
    reversed.reverse();
    for rows in [rows, reversed] {
        let outcomes = two_class_rows(&rows);
        let reliability = outcomes.all().reliability(Binning::equal_mass(3).unwrap());
        let weights: Vec<f64> = reliability.bins().iter().map(|bin| bin.weight).collect();
        assert_eq!(weights, [4.0, 2.0]);
        close(reliability.bins()[0].accuracy, 0.5);
    }
}

#[test]
fn tied_confidences_share_their_risk_in_any_order() {
    let rows = [(0.9, true), (0.6, true), (0.6, false), (0.6, false), (0.6, true)];
    let mut reversed = rows;
    reversed.reverse();
    for rows in [rows, reversed] {
        let curve = two_class_rows(&rows).all().risk_coverage();
        close(curve.risk_at(0.2), 0.0);
        close(curve.risk_at(0.4), 0.25);
        close(curve.risk_at(1.0), 0.4);
        close(curve.area(), 0.2 * (0.0 + 0.5 / 2.0 + 1.0 / 3.0 + 1.5 / 4.0 + 2.0 / 5.0));
    }
}

#[test]
fn repeated_indices_and_whole_weights_say_the_same() {
    let outcomes = six_rows();
    let predictions = Predictions::logits(&LOGITS, &LABELS, 3).unwrap();
    let indices = [0, 0, 0, 2, 3, 3, 5];
    let weights = [3.0, 0.0, 1.0, 2.0, 0.0, 1.0];
    let (listed, weighted) = (outcomes.at(&indices).unwrap(), outcomes.weighted(&weights).unwrap());
    close(listed.accuracy(), weighted.accuracy());
    close(listed.nll(), weighted.nll());
    close(listed.brier(), weighted.brier());
    close(listed.entropy(), weighted.entropy());
    assert_eq!(listed.confusion(), weighted.confusion());
    assert_eq!(listed.class_accuracy(), weighted.class_accuracy());
    for binning in [width(5), Binning::equal_mass(2).unwrap()] {
        close(listed.reliability(binning).ece(), weighted.reliability(binning).ece());
        for threshold in [0.0, 0.2] {
            let of = |rows: &balpoe_stats::calibration::Evaluation<'_>| {
                rows.class_reliability(&predictions, binning, threshold).unwrap().ece().mean().unwrap()
            };
            close(of(&listed), of(&weighted));
        }
    }
    close(listed.kde_ece(Some(0.1)), weighted.kde_ece(Some(0.1)));
    close(listed.smooth_ece(), weighted.smooth_ece());
}

#[test]
fn probabilities_and_chunks_and_threads_give_what_logits_give() {
    let whole = six_rows();
    let scores: Vec<f32> = LOGITS
        .chunks(3)
        .flat_map(|row| {
            let sum: f32 = row.iter().map(|z| z.exp()).sum();
            row.iter().map(move |z| z.exp() / sum).collect::<Vec<_>>()
        })
        .collect();
    let probabilities = Predictions::probabilities(&scores, &LABELS, 3).unwrap();
    let same = Outcomes::of(&probabilities).unwrap();
    for (a, b) in whole.rows().iter().zip(same.rows()) {
        close(a.confidence, b.confidence);
        close(a.log_loss, b.log_loss);
        close(a.brier, b.brier);
        close(a.entropy, b.entropy);
    }
    let mut chunks = Outcomes::of(&Predictions::logits(&LOGITS[..6], &LABELS[..2], 3).unwrap()).unwrap();
    chunks.extend(&Predictions::logits(&LOGITS[6..], &LABELS[2..], 3).unwrap()).unwrap();
    assert_eq!(chunks, whole);
    for threads in 2..9 {
        let predictions = Predictions::logits(&LOGITS, &LABELS, 3).unwrap();
        let threads = NonZeroUsize::new(threads).unwrap();
        assert_eq!(Outcomes::of_in_parallel(&predictions, threads).unwrap(), whole);
    }
}

#[test]
fn groups_leave_out_classes_without_images_and_name_them() {
    let groups = Groups::from_training_counts(&[101, 100, 20, 19]);
    assert_eq!(groups.as_slice(), [ShotGroup::Many, ShotGroup::Medium, ShotGroup::Medium, ShotGroup::Few]);
    let logits = [9., 0., 0., 0., 0., 9., 0., 0., 9., 0., 0., 0.];
    let outcomes = Outcomes::of(&Predictions::logits(&logits, &[0, 1, 1], 4).unwrap()).unwrap();
    let accuracy = outcomes.all().group_accuracy(&groups).unwrap();
    assert_eq!(accuracy.groups, PerGroup { many: Some(1.0), medium: Some(0.5), few: None });
    assert_eq!(accuracy.empty_classes, [2, 3]);
    assert_eq!(outcomes.all().class_accuracy().mean(), 0.75);
    let confusion = outcomes.all().confusion();
    assert_eq!(confusion.cells().collect::<Vec<_>>(), [(0, 0, 1.0), (1, 0, 1.0), (1, 1, 1.0)]);
    assert_eq!((confusion.get(1, 0), confusion.get(3, 3)), (1.0, 0.0));
}

#[test]
fn a_class_that_a_known_prior_rules_out_is_just_never_predicted() {
    let logits = [1.0, f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY, 0.0, 0.0];
    let predictions = Predictions::logits(&logits, &[0, 2], 3).unwrap();
    let outcomes = Outcomes::of(&predictions).unwrap();
    close(outcomes.all().nll(), f64::midpoint((1.0 + (-1.0_f64).exp()).ln(), 2.0_f64.ln()));
    close(outcomes.rows()[1].entropy, 2.0_f64.ln());
    assert!(outcomes.all().diversity(&[predictions, predictions]).unwrap().mutual_information < 1e-6);
    // A label that was ruled out costs everything, and the other metrics stay finite.
    let outcomes = Outcomes::of(&Predictions::logits(&logits, &[1, 2], 3).unwrap()).unwrap();
    assert_eq!(outcomes.all().nll(), f64::INFINITY);
    assert!(outcomes.all().brier().is_finite());
}

#[test]
fn a_confidence_keeps_its_digits_near_one() {
    for exponent in [20.0_f32, 30.0, 60.0] {
        let outcomes = Outcomes::of(&Predictions::logits(&[exponent, 0.0], &[0], 2).unwrap()).unwrap();
        let exact = (-f64::from(exponent)).exp().ln_1p();
        assert!((outcomes.all().nll() / exact - 1.0).abs() < 1e-6);
    }
}

#[test]
fn what_cannot_be_evaluated_is_refused_with_what_was_expected() {
    let shape = |scores: &[f32], labels: &[u32], classes| {
        Predictions::logits(scores, labels, classes).unwrap_err().to_string()
    };
    assert_eq!(
        shape(&[0.0; 5], &[0, 1], 3),
        "scores must be [rows, classes]: 2 labels and 3 classes need 6 scores, found 5"
    );
    assert_eq!(shape(&[0.0; 3], &[3], 3), "labels must lie in 0..3, found 3 in row 0");
    assert_eq!(shape(&[], &[], 3), "an evaluation needs at least one row with positive weight, found none");
    let refuse = |predictions: Result<Predictions<'_>, EvaluationError>| {
        Outcomes::of(&predictions.unwrap()).unwrap_err().to_string()
    };
    assert_eq!(
        refuse(Predictions::logits(&[0.0, 1.0, 0.0, f32::NAN], &[0, 0], 2)),
        "row 1 of the logits must hold numbers below infinity, at least one of them finite"
    );
    assert_eq!(
        refuse(Predictions::probabilities(&[0.5, 0.6], &[0], 2)),
        "row 0 of the probabilities must hold numbers in 0..=1 that sum to 1 within 0.001"
    );
    let outcomes = six_rows();
    let message = |result: Result<_, EvaluationError>| result.map(|_| ()).unwrap_err().to_string();
    assert_eq!(message(outcomes.at(&[6])), "row indices must lie in 0..6, found 6");
    assert_eq!(message(outcomes.at(&[])), shape(&[], &[], 3));
    assert_eq!(message(outcomes.weighted(&[1.0])), "weights must have one entry per row (6), found 1");
    assert_eq!(
        message(outcomes.weighted(&[1.0, -1.0, 0.0, 0.0, 0.0, 0.0])),
        "weights must be finite and not negative, found -1 for row 1"
    );
    let few = Groups::from_training_counts(&[1]);
    assert_eq!(
        outcomes.all().group_accuracy(&few).unwrap_err().to_string(),
        "shot groups must have one entry per class (3), found 1"
    );
    assert_eq!(
        Binning::equal_width(0).unwrap_err().to_string(),
        "the number of bins must be at least 1, found 0"
    );
    let predictions = Predictions::logits(&LOGITS, &LABELS, 3).unwrap();
    assert_eq!(
        outcomes.all().class_reliability(&predictions, width(5), 1.0).unwrap_err().to_string(),
        "the threshold must be at least 0 and below 1, found 1"
    );
}

#[test]
fn the_bootstrap_over_rows_follows_its_seed_and_respects_the_weights() {
    use balpoe_stats::statistics::{Level, Resampling};
    let rows: Vec<(f32, bool)> = (0..200).map(|i| (0.6 + 0.001 * i as f32, i % 4 != 0)).collect();
    let outcomes = two_class_rows(&rows);
    let accuracy = |rows: &balpoe_stats::calibration::Evaluation<'_>| rows.accuracy();
    let resampling = Resampling::new(2_000, 11);
    let bootstrap = outcomes.all().bootstrap(resampling, accuracy);
    assert_eq!(bootstrap, outcomes.all().bootstrap(resampling, accuracy));
    // The standard error of a share of 3/4 over 200 rows.
    assert!((bootstrap.standard_error().unwrap() / (0.75_f64 * 0.25 / 200.0).sqrt() - 1.0).abs() < 0.06);
    assert!(bootstrap.percentile(Level::P95).contains(0.75));
    let weights: Vec<f64> = rows.iter().map(|row| if row.1 { 1.0 } else { 3.0 }).collect();
    let weighted = outcomes.weighted(&weights).unwrap().bootstrap(resampling, accuracy);
    close(weighted.estimate(), 0.5);
    assert!(weighted.percentile(Level::P95).contains(0.5));
}
