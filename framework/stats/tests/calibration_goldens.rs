//! Calibration metrics on the real logits of a CIFAR-100 network against independent implementations.
//!
//! Every snippet begins with
//! ```python
//! # numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1, netcal 1.4.0, uncertainty-calibration 0.1.4
//! import numpy as np; from scipy.special import softmax, log_softmax
//! load = lambda name: np.fromfile(f"logits/{name}.logits.f32", "<f4").reshape(-1, 100).astype(float)
//! y = np.fromfile("logits/cifar100_test_labels.u8", "u1").astype(int)
//! z = load("cifar100_resnet56"); p = softmax(z, 1); conf = p.max(1); pred = p.argmax(1); ok = pred == y
//! ```

mod common;

use balpoe_stats::calibration::{
    Binning, Evaluation, GroupBy, Groups, Outcomes, PerGroup, Predictions, ShotGroup,
};
use common::RealScores;

fn close(name: &str, ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() < 1e-6, "{name}: {ours} against {theirs}");
}

fn resnet56() -> Option<RealScores> {
    common::logits_folder().map(|folder| common::read(&folder, "cifar100_resnet56"))
}

fn predictions(data: &RealScores) -> Predictions<'_> {
    Predictions::logits(&data.scores, &data.labels, data.classes).unwrap()
}

/// The groups of CIFAR-100 with imbalance ratio 100: 35, 35 and 30 classes.
fn groups() -> Groups {
    let count = |class: i32| (500.0 * 0.01_f64.powf(f64::from(class) / 99.0)) as usize;
    Groups::from_training_counts(&(0..100).map(count).collect::<Vec<_>>())
}

/// The rows of the forward-50 test set when the first images of each class are taken.
fn forward50(labels: &[u32]) -> Vec<u32> {
    let quota = |class: u32| (100.0 * 0.02_f64.powf(f64::from(class) / 99.0)) as usize;
    let mut rows = Vec::new();
    for class in 0..100 {
        let of_class = (0..).zip(labels).filter(|(_, label)| **label == class).map(|(row, _)| row);
        rows.extend(of_class.take(quota(class).max(1)));
    }
    rows
}

/// ```python
/// import netcal.metrics; print(netcal.metrics.ECE(15).measure(p, y), netcal.metrics.MCE(15).measure(p, y))
/// b = np.ceil(conf * 15).astype(int) - 1
/// width = [np.where(b == i)[0] for i in range(15) if (b == i).any()]
/// edges = [np.sort(conf)[int(np.ceil(10000 * (i + 1) / 15 - 1e-9)) - 1] for i in range(15)]
/// b = np.searchsorted(edges, conf); mass = [np.where(b == i)[0] for i in range(15)]
/// gap = lambda i: abs(conf[i].mean() - ok[i].mean())
/// for bins in (width, mass):
///     print(sum(len(i) * gap(i) for i in bins) / 1e4, np.sqrt(sum(len(i) * gap(i)**2 for i in bins) / 1e4),
///           max(map(gap, bins)))
/// print(sum(len(i) * conf[i].mean() * max(conf[i].mean() - ok[i].mean(), 0) for i in width) / 1e4)
/// ```
/// (torchmetrics 1.9.0 puts an edge into the bin above it and a confidence of 1 into a bin of its own: 0.141840.)
#[test]
fn binned_errors_agree_with_netcal_and_numpy() {
    let Some(data) = resnet56() else { return };
    let outcomes = Outcomes::of(&predictions(&data)).unwrap();
    let width = outcomes.all().reliability(Binning::default());
    close("ECE", width.ece(), 0.141_835_633_866_356_23);
    close("MCE", width.mce(), 0.314_682_468_833_893_2);
    close("l2", width.l2(), 0.160_053_219_913_626_95);
    close("overconfidence", width.overconfidence(), 0.117_609_090_552_442_6);
    let mass = outcomes.all().reliability(Binning::equal_mass(15).unwrap());
    close("adaptive ECE", mass.ece(), 0.141_695_084_000_759_53);
    close("adaptive l2", mass.l2(), 0.175_135_499_878_730_84);
    close("adaptive MCE", mass.mce(), 0.293_936_428_807_398_8);
    let sizes: Vec<f64> = mass.bins().iter().map(|bin| bin.weight).collect();
    assert_eq!(
        sizes,
        [667., 667., 666., 667., 667., 666., 667., 667., 666., 667., 667., 666., 667., 667., 666.]
    );
}

/// ```python
/// import calibration; from scipy.stats import foldnorm
/// pairs = lambda bins: [[(conf[j], float(ok[j])) for j in i] for i in bins]
/// print(calibration.utils.unbiased_l2_ce(pairs(width)), calibration.utils.unbiased_l2_ce(pairs(mass)))
/// def debiased(bins):      # the closed form of calibration.utils.normal_debiased_ce
///     total = 0
///     for i in bins:
///         acc = ok[i].mean(); d = abs(conf[i].mean() - acc); s = np.sqrt(acc * (1 - acc) / len(i))
///         total += len(i) / 1e4 * (2 * d - (foldnorm.mean(d / s, scale=s) if s > 0 else d))
///     return total
/// print(debiased(width), debiased(mass))
/// print(sum(len(i) / 1e4 * np.sqrt(2 / np.pi * conf[i].mean() * (1 - conf[i].mean()) / len(i)) for i in width))
/// ```
#[test]
fn debiased_errors_agree_with_kumar_and_scipy() {
    let Some(data) = resnet56() else { return };
    let outcomes = Outcomes::of(&predictions(&data)).unwrap();
    let width = outcomes.all().reliability(Binning::default());
    let mass = outcomes.all().reliability(Binning::equal_mass(15).unwrap());
    close("debiased l2", width.debiased_l2(), 0.159_227_858_160_304_8);
    close("debiased adaptive l2", mass.debiased_l2(), 0.174_547_483_751_860_16);
    close("debiased ECE", width.debiased_ece(), 0.141_678_941_374_628_83);
    close("debiased adaptive ECE", mass.debiased_ece(), 0.141_681_437_826_169_54);
    close("ECE if calibrated", width.ece_if_calibrated(), 0.007_573_805_926_754_458);
}

/// ```python
/// def classwise(bins_of, t=0):
///     out = []
///     for k in range(100):
///         c = p[:, k]; h = (y == k)[c >= t]; c = c[c >= t]
///         out.append(sum(len(i) * abs(c[i].mean() - h[i].mean()) for i in bins_of(c) if len(i)) / len(c))
///     return np.array(out)
/// def by_width(c):
///     b = np.maximum(np.ceil(c * 15).astype(int) - 1, 0); return [np.where(b == i)[0] for i in range(15)]
/// def by_mass(c):
///     e = [np.sort(c)[int(np.ceil(len(c) * (i + 1) / 15 - 1e-9)) - 1] for i in range(15)]
///     b = np.searchsorted(e, c); return [np.where(b == i)[0] for i in range(15)]
/// s = classwise(by_width); print(s.mean(), s[0], s[99], classwise(by_width, .01).mean())
/// s = classwise(by_mass); print(s.mean(), s[0], classwise(by_mass, .01).mean())
/// ```
/// The indicator of the reference implementation, `(pred == k) == (y == k)`, gives 0.987439 in place of 0.003496.
#[test]
fn class_wise_errors_agree_with_their_definition() {
    let Some(data) = resnet56() else { return };
    let predictions = predictions(&data);
    let outcomes = Outcomes::of(&predictions).unwrap();
    let errors = |binning: Binning, threshold: f64| {
        outcomes.all().class_reliability(&predictions, binning, threshold).unwrap().ece()
    };
    let (width, mass) = (Binning::default(), Binning::equal_mass(15).unwrap());
    let sce = errors(width, 0.0);
    close("SCE", sce.mean().unwrap(), 0.003_495_894_352_267_306);
    close("SCE of class 0", sce.as_slice()[0].unwrap(), 0.001_632_826_378_693_072_5);
    close("SCE of class 99", sce.as_slice()[99].unwrap(), 0.003_879_693_756_776_992);
    close("SCE above 0.01", errors(width, 0.01).mean().unwrap(), 0.098_377_329_437_129_37);
    let ace = errors(mass, 0.0);
    close("ACE", ace.mean().unwrap(), 0.001_106_099_674_444_513_8);
    close("ACE of class 0", ace.as_slice()[0].unwrap(), 0.000_759_181_127_699_659_2);
    close("TACE", errors(mass, 0.01).mean().unwrap(), 0.093_351_103_297_412_07);
    // s[grp == g].mean() with grp = 0, 1, 2 for many, medium and few.
    let PerGroup { many, medium, few } = sce.by_group(&groups()).unwrap();
    close("SCE of many", many.unwrap(), 0.003_386_238_336_698_416);
    close("SCE of medium", medium.unwrap(), 0.003_562_662_243_689_807_8);
    close("SCE of few", few.unwrap(), 0.003_545_930_497_104_76);
}

/// ```python
/// rel = res = unc = 0
/// for k in range(100):
///     c = p[:, k]; h = y == k; f = h.mean(); unc += f * (1 - f)
///     for i in by_width(c):
///         if len(i): rel += len(i) / 1e4 * (c[i].mean() - h[i].mean())**2; res += len(i) / 1e4 * (h[i].mean() - f)**2
/// ```
#[test]
fn brier_decomposition_agrees_with_numpy() {
    let Some(data) = resnet56() else { return };
    let predictions = predictions(&data);
    let outcomes = Outcomes::of(&predictions).unwrap();
    let parts = outcomes.all().brier_decomposition(&predictions, Binning::default()).unwrap();
    close("reliability", parts.reliability, 0.058_851_393_230_598_806);
    close("resolution", parts.resolution, 0.625_321_691_191_751_2);
    close("uncertainty", parts.uncertainty, 0.99);
    // What is left shrinks with the width of the bins.
    let fine = outcomes.all().brier_decomposition(&predictions, Binning::equal_width(1000).unwrap()).unwrap();
    assert!(fine.within_bins.abs() < 0.05 * parts.within_bins.abs());
}

/// ```python
/// cnt = np.array([int(500 * .01**(c / 99)) for c in range(100)]); grp = np.where(cnt > 100, 0, np.where(cnt >= 20, 1, 2))
/// keep = np.concatenate([np.where(y == c)[0][:max(1, int(100 * .02**(c / 99)))] for c in range(100)])
/// from sklearn.metrics import balanced_accuracy_score, log_loss
/// print(ok[keep].mean(), balanced_accuracy_score(y[keep], pred[keep]), log_loss(y[keep], p[keep], labels=range(100)))
/// def ece(rows, w=1.):
///     b = np.ceil(conf[rows] * 15).astype(int) - 1; d = (conf[rows] - ok[rows]) * w
///     return sum(abs(d[b == i].sum()) for i in range(15)) / (w * np.ones(len(rows))).sum()
/// print(ece(keep), ece(keep, 1 / np.bincount(y[keep])[y[keep]]))
/// acc = np.array([ok[y == k].mean() for k in range(100)]); print([acc[grp == g].mean() for g in range(3)])
/// print([ece(np.where(grp[y] == g)[0]) for g in range(3)], [ece(np.where(grp[pred] == g)[0]) for g in range(3)])
/// ```
#[test]
fn test_distributions_and_groups_agree_with_scikit_learn_and_numpy() {
    let Some(data) = resnet56() else { return };
    let outcomes = Outcomes::of(&predictions(&data)).unwrap();
    let rows = forward50(&data.labels);
    assert_eq!(rows.len(), 2486);
    let ece = |rows: &Evaluation<'_>| rows.reliability(Binning::default()).ece();
    let forward = outcomes.at(&rows).unwrap();
    close("accuracy", forward.accuracy(), 0.720_836_685_438_455_4);
    close("balanced accuracy", forward.class_accuracy().mean(), 0.735_683_111_983_157_4);
    close("NLL", forward.nll(), 1.284_172_436_127_013);
    close("ECE", ece(&forward), 0.142_676_038_137_866_36);
    let balanced = forward.class_balanced();
    close("balanced ECE", ece(&balanced), 0.136_201_061_011_332_59);
    close("accuracy of the balanced distribution", balanced.accuracy(), 0.735_683_111_983_157_4);
    // The same rows by weight instead of by index.
    let mut weights = vec![0.0; data.labels.len()];
    for &row in &rows {
        weights[row as usize] = 1.0;
    }
    close("weighted NLL", outcomes.weighted(&weights).unwrap().nll(), 1.284_172_436_127_013);

    let groups = groups();
    let accuracy = outcomes.all().group_accuracy(&groups).unwrap();
    assert!(accuracy.empty_classes.is_empty());
    let expected = [0.728_571_428_571_428_4, 0.729_428_571_428_571_3, 0.72];
    let by_label = [0.139_407_328_999_570_4, 0.139_252_803_771_880_98, 0.148_757_438_542_957_4];
    let by_prediction = [0.130_465_963_147_206_46, 0.149_190_402_997_837_98, 0.147_129_279_933_761_85];
    for (i, group) in ShotGroup::ALL.into_iter().enumerate() {
        close("group accuracy", accuracy.groups.get(group).unwrap(), expected[i]);
        let rows = |by| outcomes.all().by_group(&groups, by).unwrap().get(group).clone().unwrap();
        close("group ECE by label", ece(&rows(GroupBy::Label)), by_label[i]);
        close("group ECE by prediction", ece(&rows(GroupBy::Prediction)), by_prediction[i]);
    }
}

/// ```python
/// risk = np.cumsum(~ok[np.argsort(-conf, kind="stable")]) / np.arange(1, 10001)
/// print(risk.mean(), risk[7999], risk[4999])
/// H = -(p * log_softmax(z, 1)).sum(1); print(H.mean(), H.mean() / np.log(100))
/// print(np.histogram(conf[ok], 10, (0, 1))[0], np.histogram(conf[~ok], 10, (0, 1))[0])
/// print(np.histogram(H[ok], 8, (0, np.log(100)))[0], np.histogram(H[~ok], 8, (0, np.log(100)))[0])
/// ```
#[test]
fn selective_risk_and_histograms_agree_with_numpy() {
    let Some(data) = resnet56() else { return };
    let outcomes = Outcomes::of(&predictions(&data)).unwrap();
    let all = outcomes.all();
    let curve = all.risk_coverage();
    close("AURC", curve.area(), 0.088_821_364_571_491_28);
    close("risk at 80 %", curve.risk_at(0.8), 0.178);
    close("risk at 50 %", curve.risk_at(0.5), 0.0564);
    close("risk at all", curve.risk_at(1.0), 1.0 - all.accuracy());
    close("entropy", all.entropy(), 0.412_558_841_409_111_64);
    close("normalised entropy", all.normalised_entropy(), 0.089_586_014_142_181_98);
    let confidence = all.confidence_histogram(10);
    assert_eq!(confidence.right, [0., 4., 26., 51., 120., 233., 235., 271., 481., 5842.]);
    assert_eq!(confidence.wrong, [0., 16., 111., 210., 284., 338., 333., 326., 347., 772.]);
    let entropy = all.entropy_histogram(8);
    assert_eq!(entropy.right, [6155., 762., 257., 69., 18., 2., 0., 0.]);
    assert_eq!(entropy.wrong, [992., 837., 553., 256., 94., 5., 0., 0.]);
}

/// The sums over all rows at every node, without a grid for the rows.
/// ```python
/// def kde_ece(bw, G=4096):
///     zz = np.linspace(0, 1, G + 1); R = 3 * bw; f = np.zeros(G + 1); g = np.zeros(G + 1)
///     for s in (conf, -conf, 2 - conf):
///         o = np.argsort(s); s = s[o]; h = ok[o]
///         for i, t in enumerate(zz):
///             lo, hi = np.searchsorted(s, [t - R, t + R]); k = (1 - ((s[lo:hi] - t) / R)**2)**3
///             f[i] += k.sum(); g[i] += (k * h[lo:hi]).sum()
///     return np.trapezoid(abs(zz * f - g), zz) / np.trapezoid(f, zz)
/// print(kde_ece(conf.std() * 20000**-.2), kde_ece(.05))
/// p = softmax(z / 1.75, 1); conf = p.max(1)      # over- and underconfident by turns
/// def smooth_ece(s, G=800):
///     zz = np.linspace(0, 1, G + 1); out = []
///     for t in zz:
///         k = sum(np.exp(-((t - m) / s)**2 / 2) for j in (-2, 0, 2) for m in (j + conf, j - conf))
///         out.append(abs((k * (ok - conf)).mean()) / (s * np.sqrt(2 * np.pi)))
///     return np.trapezoid(out, zz)
/// from scipy.optimize import brentq; print(brentq(lambda s: smooth_ece(s) - s, .01, .2, xtol=1e-8))
/// ```
#[test]
fn kernel_errors_agree_with_direct_sums() {
    let Some(data) = resnet56() else { return };
    let outcomes = Outcomes::of(&predictions(&data)).unwrap();
    let near = |name: &str, ours: f64, theirs: f64| {
        assert!((ours - theirs).abs() < 5e-5, "{name}: {ours} against {theirs}");
    };
    near("KDE-ECE", outcomes.all().kde_ece(None), 0.131_159_815_573_536_56);
    near("KDE-ECE at 0.05", outcomes.all().kde_ece(Some(0.05)), 0.120_497_700_876_838_18);
    let scaled: Vec<f32> = data.scores.iter().map(|&z| (f64::from(z) / 1.75) as f32).collect();
    let scaled = Outcomes::of(&Predictions::logits(&scaled, &data.labels, data.classes).unwrap()).unwrap();
    near("smooth ECE", scaled.all().smooth_ece(), 0.024_845_335_290_848_907);
}

/// ```python
/// ps = [softmax(load(n), 1) for n in ("cifar100_resnet56", "cifar100_vgg16_bn", "cifar100_mobilenetv2_x1_0")]
/// H = lambda q: -(q * np.log(np.maximum(q, 1e-300))).sum(1); m = sum(ps) / 3
/// print((H(m) - sum(map(H, ps)) / 3).mean())
/// for q in ps: print((q * (np.log(np.maximum(q, 1e-300)) - np.log(np.maximum(m, 1e-300)))).sum(1).mean(), H(q).mean())
/// for a, b in ((0, 1), (0, 2), (1, 2)):
///     print((ps[a].argmax(1) != ps[b].argmax(1)).mean(), (H((ps[a] + ps[b]) / 2) - (H(ps[a]) + H(ps[b])) / 2).mean())
/// ```
#[test]
fn diversity_agrees_with_numpy() {
    let Some(folder) = common::logits_folder() else { return };
    let models = ["cifar100_resnet56", "cifar100_vgg16_bn", "cifar100_mobilenetv2_x1_0"];
    let models = models.map(|name| common::read(&folder, name));
    let experts: Vec<Predictions<'_>> = models.iter().map(predictions).collect();
    let outcomes = Outcomes::of(&experts[0]).unwrap();
    let diversity = outcomes.all().diversity(&experts).unwrap();
    close("mutual information", diversity.mutual_information, 0.220_939_002_189_127_76);
    let divergences = [0.220_162_575_076_921_44, 0.241_179_146_559_233_6, 0.201_475_284_931_228_27];
    let entropies = [0.412_558_841_409_111_64, 0.232_093_671_973_313_4, 0.485_750_345_967_797_7];
    for i in 0..3 {
        close("divergence from the mean", diversity.divergence_from_mean[i], divergences[i]);
        close("entropy", diversity.entropy[i], entropies[i]);
    }
    for (a, b, disagreement, information) in [
        (0, 1, 0.2818, 0.165_017_207_403_348_2),
        (0, 2, 0.2798, 0.145_043_122_511_364_75),
        (1, 2, 0.2658, 0.150_527_655_153_314_15),
    ] {
        close("disagreement", diversity.disagreement[b][a], disagreement);
        close("pairwise information", diversity.pairwise_information[a][b], information);
    }
    close("mean disagreement", diversity.mean_disagreement(), (0.2818 + 0.2798 + 0.2658) / 3.0);
}
