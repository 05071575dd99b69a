//! Statistics over seeds against SciPy.

use balpoe_stats::statistics::{Level, Paired, Sample};

/// Five-seed accuracies as they are reported: treatment and baseline.
const TREATMENT: [f64; 5] = [52.1, 51.8, 52.4, 51.6, 52.0];
const BASELINE: [f64; 5] = [51.2, 51.5, 51.1, 51.3, 50.9];

fn sample(values: &[f64]) -> Sample {
    Sample::new(values).unwrap()
}

fn close(ours: f64, theirs: f64) {
    let error = (ours - theirs).abs() / theirs.abs().max(1.0);
    assert!(error < 1e-10, "{ours} against {theirs}");
}

/// ```python
/// # scipy 1.17.1
/// import numpy as np; from scipy import stats
/// a = np.array([52.1, 51.8, 52.4, 51.6, 52.0]); b = np.array([51.2, 51.5, 51.1, 51.3, 50.9])
/// print(a.mean(), a.std(ddof=1), stats.sem(a))
/// print(stats.ttest_1samp(a, 0).confidence_interval(0.95), stats.ttest_1samp(a, 0).confidence_interval(0.99))
/// r = stats.ttest_rel(a, b); print(r.statistic, r.pvalue, r.confidence_interval(0.95))
/// r = stats.ttest_ind(a, b, equal_var=False); print(r.statistic, r.pvalue, r.df, r.confidence_interval(0.95))
/// ```
#[test]
fn t_intervals_and_t_tests_agree_with_scipy() {
    let (treatment, baseline) = (sample(&TREATMENT), sample(&BASELINE));
    close(treatment.mean(), 51.98);
    close(treatment.sd().unwrap(), 0.303_315_017_762_061_66);
    close(treatment.standard_error().unwrap(), 0.135_646_599_662_505_2);
    let interval = treatment.t_interval(Level::P95).unwrap();
    close(interval.low, 51.603_384_662_330_306);
    close(interval.high, 52.356_615_337_669_69);
    close(treatment.t_interval(Level::P99).unwrap().low, 51.355_470_186_177_79);

    let paired = Paired::new(&treatment, &baseline).unwrap();
    let test = paired.t_test().unwrap();
    close(test.t, 3.788_014_863_193_337_2);
    close(test.p, 0.019_301_878_015_316_676);
    let interval = paired.t_interval(Level::P95).unwrap();
    close(interval.low, 0.208_294_961_802_596_43);
    close(interval.high, 1.351_705_038_197_403);

    let test = treatment.welch_test(&baseline).unwrap();
    close(test.t, 4.628_448_466_955_996);
    close(test.degrees_of_freedom, 7.356_439_255_746_081);
    close(test.p, 0.002_109_021_392_303_914_6);
    let interval = treatment.welch_interval(&baseline, Level::P95).unwrap();
    close(interval.low, 0.385_387_328_591_258_6);
    close(interval.high, 1.174_612_671_408_729_5);
}

#[test]
fn one_seed_has_no_spread_and_equal_differences_have_no_test() {
    let one = sample(&[52.0]);
    assert_eq!((one.sd(), one.standard_error(), one.t_interval(Level::P95)), (None, None, None));
    // 0.3 - 0.2 and 0.2 - 0.1 differ in their last bit.
    let paired = Paired::new(&sample(&[0.3, 0.2]), &sample(&[0.2, 0.1])).unwrap();
    assert!(paired.t_test().is_none());
}

#[test]
fn samples_and_pairs_refuse_what_breaks_their_invariants() {
    let message = |values: &[f64]| Sample::new(values).unwrap_err().to_string();
    assert_eq!(message(&[]), "a sample needs at least one value, found none");
    assert_eq!(message(&[1.0, f64::NAN]), "a sample holds finite values only, found NaN at position 1");
    assert_eq!(
        Paired::new(&sample(&[1.0]), &sample(&[1.0, 2.0])).unwrap_err().to_string(),
        "paired samples need one value per seed in both, found 1 values against 2"
    );
    assert!(Paired::new(&sample(&[f64::MAX]), &sample(&[f64::MIN])).is_err());
    assert_eq!(
        Level::new(95.0).unwrap_err().to_string(),
        "confidence level must lie strictly between 0 and 1 (such as 0.95), found 95"
    );
}
