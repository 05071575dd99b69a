//! Properties of the resampling methods, and values that follow from theory.

use balpoe_stats::statistics::{
    Averaging, ImageScores, Level, Paired, Resampling, Sample, benjamini_hochberg, holm,
    smallest_permutation_p, smallest_sign_flip_p,
};

fn sample(values: &[f64]) -> Sample {
    Sample::new(values).unwrap()
}

/// Numbers without pattern in -1..1.
fn noise(i: usize) -> f64 {
    (i as f64 * 12.9898 + 4.1414).sin() * 43_758.545_3 % 1.0
}

fn population_variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64
}

/// 0.3 - 0.2, 0.7 - 0.6 and 0.2 - 0.1 are three numbers in floating point and one in decimals.
#[test]
fn decimal_ties_are_ties() {
    let pair = |a: &[f64], b: &[f64]| Paired::new(&sample(a), &sample(b)).unwrap();
    let rounded = pair(&[0.3, 0.7, 0.1, 0.9], &[0.2, 0.6, 0.2, 0.5]);
    let whole = pair(&[1.0, 1.0, -1.0, 4.0], &[0.0; 4]);
    assert_eq!(rounded.wilcoxon().unwrap(), whole.wilcoxon().unwrap());
    let resampling = Resampling::default();
    assert_eq!(rounded.sign_flip_test(resampling).p, whole.sign_flip_test(resampling).p);
    let equal = pair(&[50.3, 50.7, 50.2], &[50.2, 50.6, 50.1]);
    assert!(equal.t_test().is_none() && equal.d_z().is_none());
    let split = sample(&[50.1, 50.2]).permutation_test(&sample(&[50.3, 50.4]), resampling);
    assert_eq!(split.p, 2.0 / 6.0);
}

#[test]
fn resampling_follows_its_seed() {
    let values = sample(&(0..20).map(noise).collect::<Vec<_>>());
    let of_seed = |seed| values.bootstrap(Sample::interquartile_mean, Resampling::new(500, seed));
    assert_eq!(of_seed(3), of_seed(3));
    assert_ne!(of_seed(3), of_seed(4));
}

#[test]
fn bca_of_all_equal_values_is_that_value() {
    let bootstrap = sample(&[2.0; 5]).bootstrap(Sample::mean, Resampling::default());
    let interval = bootstrap.bca(Level::P95);
    assert_eq!((interval.low, interval.high, bootstrap.bias()), (2.0, 2.0, 0.0));
}

#[test]
fn bootstrap_p_agrees_with_whether_the_percentile_interval_holds_zero() {
    for shift in [-0.6, -0.3, -0.1, 0.0, 0.1, 0.3, 0.6] {
        let values: Vec<f64> = (0..30).map(|i| noise(i) + shift).collect();
        let bootstrap = sample(&values).bootstrap(Sample::mean, Resampling::new(1_999, 5));
        let (p, interval) = (bootstrap.sign_p(), bootstrap.percentile(Level::P95));
        assert!(p >= 2.0 / 2_000.0);
        assert_eq!(p <= 0.05, !interval.contains(0.0), "p = {p}, {interval:?}");
    }
}

/// The variance of a stratified mean is the sum of the classes' variances over their sizes, by their shares squared.
#[test]
fn image_bootstrap_has_the_standard_error_of_a_stratified_sample() {
    let labels: Vec<u32> = (0..200).map(|i| u32::from(i % 4 == 0)).collect();
    let scores: Vec<f64> = (0..200).map(|i| noise(i) + 3.0 * f64::from(labels[i])).collect();
    let class = |class| -> Vec<f64> { (0..200).filter(|&i| labels[i] == class).map(|i| scores[i]).collect() };
    let images = ImageScores::new(std::slice::from_ref(&scores), &labels).unwrap();
    for (averaging, shares) in [(Averaging::Images, [0.75, 0.25]), (Averaging::Classes, [0.5, 0.5])] {
        let bootstrap = images.image_bootstrap(averaging, Resampling::new(4_000, 9));
        let variance: f64 = [class(0), class(1)]
            .iter()
            .zip(shares)
            .map(|(values, share)| share * share * population_variance(values) / values.len() as f64)
            .sum();
        let ratio = bootstrap.standard_error().unwrap() / variance.sqrt();
        assert!((ratio - 1.0).abs() < 0.05, "{averaging:?}: {ratio}");
        let expected: f64 = [class(0), class(1)]
            .iter()
            .zip(shares)
            .map(|(values, share)| share * values.iter().sum::<f64>() / values.len() as f64)
            .sum();
        assert!((bootstrap.estimate() - expected).abs() < 1e-12);
    }
}

/// Where scores are seed effect plus image effect, the variances of both add up.
#[test]
fn hierarchical_bootstrap_adds_the_variance_of_seeds_to_that_of_images() {
    let labels = vec![0; 100];
    let seeds: Vec<f64> = (0..5).map(|seed| 0.2 * noise(1_000 + seed)).collect();
    let images: Vec<f64> = (0..100).map(noise).collect();
    let scores: Vec<Vec<f64>> =
        seeds.iter().map(|seed| images.iter().map(|image| seed + image).collect()).collect();
    let scores = ImageScores::new(&scores, &labels).unwrap();
    let resampling = Resampling::new(4_000, 2);
    let spread = |bootstrap: balpoe_stats::statistics::Bootstrap| bootstrap.standard_error().unwrap();
    let of_images = population_variance(&images) / 100.0;
    let of_seeds = population_variance(&seeds) / 5.0;
    let ratio = spread(scores.image_bootstrap(Averaging::Images, resampling)) / of_images.sqrt();
    assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
    let both = (of_images + of_seeds).sqrt();
    let ratio = spread(scores.hierarchical_bootstrap(Averaging::Images, resampling)) / both;
    assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
}

#[test]
fn image_scores_refuse_what_does_not_fit() {
    let message =
        |scores: &[Vec<f64>], labels: &[u32]| ImageScores::new(scores, labels).unwrap_err().to_string();
    assert_eq!(
        message(&[], &[0]),
        "image scores need at least one seed and one image, found 0 seeds and 1 images"
    );
    assert_eq!(
        message(&[vec![1.0], vec![]], &[0]),
        "every seed needs one score per image (1), found 0 for seed number 1"
    );
    assert_eq!(
        message(&[vec![1.0, f64::NAN]], &[0, 0]),
        "image scores must be finite, found NaN for seed number 0, image 1"
    );
}

#[test]
fn holm_is_never_below_benjamini_hochberg_nor_either_below_the_original() {
    let p: Vec<f64> = (0..50).map(|i| noise(i).abs().powi(3)).collect();
    let (holm, bh) = (holm(&p).unwrap(), benjamini_hochberg(&p).unwrap());
    for i in 0..50 {
        assert!(p[i] <= bh[i] && bh[i] <= holm[i] && holm[i] <= 1.0);
    }
}

#[test]
fn few_seeds_have_a_smallest_p() {
    assert_eq!(
        (smallest_sign_flip_p(1), smallest_sign_flip_p(5), smallest_sign_flip_p(6)),
        (1.0, 0.0625, 0.03125)
    );
    assert_eq!(smallest_permutation_p(5, 5), 2.0 / 252.0);
    assert_eq!(smallest_permutation_p(5, 4), 1.0 / 126.0);
    let improved =
        Paired::new(&sample(&[5.0, 6.0, 7.0, 8.0, 9.5]), &sample(&[1.0, 1.0, 1.0, 1.0, 1.0])).unwrap();
    assert_eq!(improved.wilcoxon().unwrap().p, 0.0625);
    assert_eq!(improved.sign_flip_test(Resampling::default()).p, 0.0625);
}

/// ```python
/// # numpy 2.4.6
/// def violation(a, b):
///     n, m = len(a), len(b); t = (np.arange(n * m) + .5) / (n * m)
///     d = np.sort(a)[(t * n).astype(int)] - np.sort(b)[(t * m).astype(int)]
///     return (d[d < 0]**2).sum() / (d**2).sum() if (d != 0).any() else .5
/// e = violation(a, b); rng = np.random.default_rng(0)
/// r = np.array([violation(rng.choice(a, 5), rng.choice(b, 4)) for _ in range(200000)])
/// print(e, e - np.sqrt(((r - e)**2).mean()) * stats.norm.ppf(.05))
/// ```
#[test]
fn stochastic_order_agrees_with_numpy() {
    let (a, b) = (sample(&[52.1, 51.2, 52.4, 50.6, 52.0]), sample(&[51.2, 51.5, 51.1, 50.9]));
    let resampling = Resampling::new(20_000, 1);
    let order = a.stochastic_order(&b, Level::P95, resampling);
    assert!((order.violation - 0.038_257_173_219_978_166).abs() < 1e-9, "{order:?}");
    assert!((order.epsilon_min - 0.348_391_358_508_561_95).abs() < 0.01, "{order:?}");
    let reverse = b.stochastic_order(&a, Level::P95, resampling);
    assert!((order.violation + reverse.violation - 1.0).abs() < 1e-12);
    let better = sample(&[60.0, 61.0, 62.0]).stochastic_order(&b, Level::P95, resampling);
    assert_eq!((better.violation, better.epsilon_min), (0.0, 0.0));
    assert_eq!(a.stochastic_order(&a, Level::P95, resampling).violation, 0.5);
}

#[test]
fn samples_survive_serialisation_only_with_their_invariants() {
    use serde::Deserialize;
    use serde::de::value::{Error, SeqDeserializer};
    let read = |values: Vec<f64>| {
        Sample::deserialize(SeqDeserializer::<_, Error>::new(values.into_iter())).map_err(|e| e.to_string())
    };
    assert_eq!(read(vec![1.0, 2.0]).unwrap(), sample(&[1.0, 2.0]));
    assert_eq!(read(vec![]).unwrap_err(), "a sample needs at least one value, found none");
}
