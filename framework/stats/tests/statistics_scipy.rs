//! Statistics over seeds against SciPy.

use balpoe_stats::statistics::{
    Design, Level, McNemar, Paired, Resampling, Sample, benjamini_hochberg, holm, power, seeds_needed,
};

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

/// All `nⁿ` resamples stand in for SciPy's random ones, so that the intervals themselves are compared.
///
/// ```python
/// # scipy 1.17.1
/// import itertools; import numpy as np; from scipy import stats
/// v = np.array([1., 2., 4., 9.])
/// d = np.array([v[list(i)].mean() for i in itertools.product(range(4), repeat=4)])
/// r = stats.bootstrap((v,), np.mean, n_resamples=1, method="percentile", rng=0)
/// r = type(r)(r.confidence_interval, d, d.std(ddof=1))
/// for m in ("percentile", "BCa"):
///     r2 = stats.bootstrap((v,), np.mean, n_resamples=0, bootstrap_result=r, method=m)
///     print(r2.confidence_interval, r2.standard_error)
/// ```
#[test]
fn bootstrap_intervals_agree_with_scipy_on_all_resamples() {
    let bootstrap = |values: &[f64]| sample(values).bootstrap(Sample::mean, Resampling::new(10_000, 0));
    let skewed = bootstrap(&[1.0, 2.0, 4.0, 9.0]);
    assert_eq!(skewed.replicates().len(), 256);
    close(skewed.standard_error().unwrap(), 1.544_122_315_585_846_3);
    close(skewed.percentile(Level::P95).low, 1.5);
    close(skewed.percentile(Level::P95).high, 7.25);
    close(skewed.bca(Level::P95).low, 1.75);
    close(skewed.bca(Level::P95).high, 7.75);
    let seeds = bootstrap(&TREATMENT);
    close(seeds.standard_error().unwrap(), 0.121_345_423_926_123_38);
    close(seeds.percentile(Level::P95).low, 51.76);
    close(seeds.percentile(Level::P95).high, 52.22);
}

/// ```python
/// # scipy 1.17.1
/// from scipy import stats; import numpy as np
/// w = np.array([1.1, -0.3, 0.8, 2.0, -0.5, 1.7, 0.9, -0.2, 1.4, 0.6])
/// print(stats.wilcoxon(a - b, method="exact"), stats.wilcoxon(w, method="exact"))
/// t = np.array([1., -1., 2., 2., -3., 4., 4., 4., 0., 5.])
/// print(stats.wilcoxon(t, method=stats.PermutationMethod(n_resamples=np.inf)))
/// print(stats.permutation_test((w,), lambda x, axis: x.mean(axis), permutation_type="samples", n_resamples=np.inf))
/// difference = lambda x, y, axis: x.mean(axis) - y.mean(axis)
/// a2 = np.array([52.1, 51.2, 52.4, 50.6, 52.0])
/// print(stats.permutation_test((a, b), difference, permutation_type="independent", n_resamples=np.inf),
///       stats.permutation_test((a2, b), difference, permutation_type="independent", n_resamples=np.inf))
/// ```
#[test]
fn rank_and_permutation_tests_agree_with_scipy() {
    let against_zero =
        |values: &[f64]| Paired::new(&sample(values), &sample(&vec![0.0; values.len()])).unwrap();
    let seeds = Paired::new(&sample(&TREATMENT), &sample(&BASELINE)).unwrap().wilcoxon().unwrap();
    assert_eq!((seeds.negative_ranks, seeds.p, seeds.smallest_attainable_p), (0.0, 0.0625, 0.0625));
    let ten = against_zero(&[1.1, -0.3, 0.8, 2.0, -0.5, 1.7, 0.9, -0.2, 1.4, 0.6]);
    assert_eq!(ten.wilcoxon().unwrap().negative_ranks, 6.0);
    close(ten.wilcoxon().unwrap().p, 0.027_343_75);
    let ties = against_zero(&[1.0, -1.0, 2.0, 2.0, -3.0, 4.0, 4.0, 4.0, 0.0, 5.0]).wilcoxon().unwrap();
    assert_eq!((ties.negative_ranks, ties.pairs), (6.5, 9));
    close(ties.p, 0.058_593_75);

    let resampling = Resampling::new(10_000, 7);
    let flip = ten.sign_flip_test(resampling);
    assert!(flip.exact);
    close(flip.p, 0.027_343_75);
    let drawn = ten.sign_flip_test(Resampling::new(1_000, 7));
    assert!(!drawn.exact && (drawn.p - flip.p).abs() < 0.02);

    let split = sample(&TREATMENT).permutation_test(&sample(&BASELINE), resampling);
    close(split.p, 2.0 / 252.0);
    assert!(split.exact && split.smallest_attainable_p == 2.0 / 252.0);
    let overlapping = sample(&[52.1, 51.2, 52.4, 50.6, 52.0]);
    close(overlapping.permutation_test(&sample(&BASELINE), resampling).p, 0.230_158_730_158_730_15);
    let drawn = overlapping.permutation_test(&sample(&BASELINE), Resampling::new(250, 7));
    assert!(!drawn.exact && (drawn.p - 0.23).abs() < 0.1);
}

#[test]
fn a_drawn_p_value_is_never_zero() {
    let far: Vec<f64> = (0..40).map(|i| 100.0 + f64::from(i)).collect();
    let near: Vec<f64> = (0..40).map(f64::from).collect();
    let (far, near) = (sample(&far), sample(&near));
    assert_eq!(far.permutation_test(&near, Resampling::new(99, 1)).p, 0.01);
    assert_eq!(Paired::new(&far, &near).unwrap().sign_flip_test(Resampling::new(99, 1)).p, 0.01);
}

/// ```python
/// # statsmodels 0.15.0
/// from statsmodels.stats.contingency_tables import mcnemar
/// print(mcnemar([[0, 37], [21, 0]], exact=True), mcnemar([[0, 512], [430, 0]], exact=True))
/// from statsmodels.stats.multitest import multipletests
/// p = [0.01, 0.04, 0.03, 0.005, 0.2]
/// print(multipletests(p, method="holm")[1], multipletests(p, method="fdr_bh")[1])
/// ```
#[test]
fn mcnemar_and_corrections_agree_with_statsmodels() {
    close(McNemar::from_counts(37, 21).p, 0.047_940_324_071_666_984);
    close(McNemar::from_counts(430, 512).p, 0.008_277_919_871_296_693);
    assert_eq!(McNemar::from_counts(0, 0).p, 1.0);
    let right = [true, true, false, true, false];
    let test = McNemar::new(&right, &[false, false, true, true, false]).unwrap();
    assert_eq!((test.treatment_only, test.baseline_only, test.p), (2, 1, 1.0));
    assert!(McNemar::new(&right, &[true]).is_err());

    let p = [0.01, 0.04, 0.03, 0.005, 0.2];
    let all_close = |ours: Vec<f64>, theirs: [f64; 5]| {
        ours.iter().zip(theirs).for_each(|(&ours, theirs)| close(ours, theirs));
    };
    all_close(holm(&p).unwrap(), [0.04, 0.09, 0.09, 0.025, 0.2]);
    all_close(benjamini_hochberg(&p).unwrap(), [0.025, 0.05, 0.05, 0.025, 0.2]);
    assert_eq!(
        holm(&[0.1, f64::NAN]).unwrap_err().to_string(),
        "p values must lie in 0..=1, found NaN at position 1"
    );
}

/// ```python
/// # scipy 1.17.1
/// from scipy import stats; from scipy.special import gammaln
/// print((a - b).mean() / (a - b).std(ddof=1))
/// pooled = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
/// print((a.mean() - b.mean()) / pooled * np.exp(gammaln(4) - gammaln(3.5)) / 2)
/// print(stats.mannwhitneyu(a2, b).statistic / 25, stats.trim_mean(w, .25), stats.trim_mean(a, .25))
/// ```
#[test]
fn effect_sizes_agree_with_scipy() {
    let (treatment, baseline) = (sample(&TREATMENT), sample(&BASELINE));
    close(Paired::new(&treatment, &baseline).unwrap().d_z().unwrap(), 1.694_051_746_775_973_7);
    close(treatment.hedges_g(&baseline).unwrap(), 2.642_472_489_685_284_5);
    let overlapping = sample(&[52.1, 51.2, 52.4, 50.6, 52.0]);
    close(overlapping.probability_of_improvement(&baseline), 0.7);
    close(overlapping.cliff_delta(&baseline), 0.4);
    let ten = sample(&[1.1, -0.3, 0.8, 2.0, -0.5, 1.7, 0.9, -0.2, 1.4, 0.6]);
    close(ten.interquartile_mean(), 0.766_666_666_666_666_6);
    close(treatment.interquartile_mean(), 51.966_666_666_666_67);
}

/// ```python
/// # statsmodels 0.15.0
/// from statsmodels.stats.power import TTestPower, TTestIndPower
/// for n, d in ((2, 1.), (5, 1.25), (8, 1.25), (30, .3), (400, .1)):
///     print(TTestPower().power(d, n, .05), TTestIndPower().power(d, n, .05, 1))
/// print(TTestPower().solve_power(1.25, None, .05, .8), TTestIndPower().solve_power(1.25, None, .05, .8, 1),
///       TTestPower().solve_power(.1, None, .01, .9))
/// ```
#[test]
fn power_agrees_with_statsmodels() {
    for (seeds, effect, paired, independent) in [
        (2, 1.0, 0.092_809_155_056_335_97, 0.095_201_755_497_883_96),
        (5, 1.25, 0.562_171_824_717_610_1, 0.413_037_399_142_134_17),
        (8, 1.25, 0.856_443_685_887_406_5, 0.642_937_858_718_728_6),
        (30, 0.3, 0.355_462_731_165_524_96, 0.207_851_771_775_549_87),
        (400, 0.1, 0.514_086_460_224_85, 0.292_406_530_497_850_5),
    ] {
        // The normal tail of statrs is good to 1e-10, so the power is as well.
        let close = |ours: f64, theirs: f64| assert!((ours - theirs).abs() < 1e-9, "{ours} against {theirs}");
        close(power(Design::Paired, effect, 1.0, seeds, Level::P95), paired);
        close(power(Design::Independent, effect, 1.0, seeds, Level::P95), independent);
    }
    // Half a point where seeds scatter by 0.4 points.
    assert_eq!(seeds_needed(Design::Paired, 0.5, 0.4, 0.8, Level::P95), Some(8));
    assert_eq!(seeds_needed(Design::Independent, 0.5, 0.4, 0.8, Level::P95), Some(12));
    assert_eq!(seeds_needed(Design::Paired, 0.1, 1.0, 0.9, Level::P99), Some(1492));
    assert_eq!(seeds_needed(Design::Paired, 50.0, 0.4, 0.8, Level::P95), Some(2));
    assert_eq!(seeds_needed(Design::Paired, 0.0, 0.4, 0.8, Level::P95), None);
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
