//! Metrics on the real outputs of published CIFAR models against reference values computed in f64 with NumPy.
//!
//! The table is printed with the data: accuracy, NLL, Brier, ECE and MCE (15 equal-width bins), the temperature that
//! minimises the NLL on all rows, and NLL and ECE at that temperature.

#![allow(clippy::approx_constant, reason = "an accuracy of 0.7853 is not a quarter of pi")]

mod common;

use balpoe_stats::calibration::{Binning, Outcomes, Predictions, ScoreKind};
use common::RealScores;

/// accuracy, NLL, Brier, ECE, MCE.
type Row = [f64; 5];

const SINGLE: [(&str, Row, [f64; 3]); 6] = [
    (
        "cifar100_resnet56",
        [0.7263, 1.294_593, 0.418_196, 0.141_836, 0.314_682],
        [1.73722, 1.041_306, 0.026_764],
    ),
    (
        "cifar100_vgg16_bn",
        [0.7400, 1.642_693, 0.437_380, 0.188_774, 0.494_692],
        [2.00304, 1.115_110, 0.036_918],
    ),
    (
        "cifar100_mobilenetv2_x1_0",
        [0.7429, 1.069_529, 0.374_682, 0.111_534, 0.271_358],
        [1.47043, 0.952_449, 0.025_821],
    ),
    (
        "cifar10_resnet56",
        [0.9437, 0.252_327, 0.094_096, 0.037_440, 0.335_136],
        [1.73148, 0.190_693, 0.009_159],
    ),
    (
        "cifar10_vgg16_bn",
        [0.9416, 0.326_345, 0.104_757, 0.046_789, 0.341_363],
        [1.83274, 0.226_022, 0.015_440],
    ),
    (
        "cifar10_mobilenetv2_x0_75",
        [0.9408, 0.237_166, 0.094_853, 0.035_035, 0.259_465],
        [1.58694, 0.194_604, 0.007_992],
    ),
];

/// The mean of three models' logits, then of their softmax outputs.
const ENSEMBLES: [([usize; 3], Row, Row); 2] = [
    (
        [0, 1, 2],
        [0.7912, 0.880_674, 0.317_185, 0.101_914, 0.293_750],
        [0.7853, 0.839_188, 0.307_016, 0.026_006, 0.123_119],
    ),
    (
        [3, 4, 5],
        [0.9569, 0.175_130, 0.071_240, 0.026_786, 0.314_431],
        [0.9561, 0.155_000, 0.069_176, 0.013_210, 0.128_673],
    ),
];

const PROBABILITIES: [(&str, Row); 2] = [
    ("cifar10_wrn16_4", [0.9109, 0.378_170, 0.143_871, 0.053_716, 0.262_389]),
    ("cifar10_lenet5", [0.5308, 1.369_868, 0.614_152, 0.107_888, 0.185_821]),
];

fn outcomes(data: &RealScores, scores: &[f32], kind: ScoreKind) -> Outcomes {
    Outcomes::of(&Predictions::new(scores, &data.labels, data.classes, kind).unwrap()).unwrap()
}

fn row(outcomes: &Outcomes) -> Row {
    let all = outcomes.all();
    let reliability = all.reliability(Binning::default());
    [all.accuracy(), all.nll(), all.brier(), reliability.ece(), reliability.mce()]
}

/// Equality to all printed digits.
fn same_print<const N: usize>(name: &str, ours: [f64; N], printed: [f64; N]) {
    for (ours, printed) in ours.iter().zip(printed) {
        assert!((ours - printed).abs() <= 0.5e-6 + 1e-9, "{name}: {ours} against {printed}");
    }
}

#[test]
fn the_reference_table_is_reproduced_to_all_printed_digits() {
    let Some(folder) = common::logits_folder() else { return };
    for (name, expected, _) in SINGLE {
        let data = common::read(&folder, name);
        same_print(name, row(&outcomes(&data, &data.scores, ScoreKind::Logits)), expected);
    }
    for (name, expected) in PROBABILITIES {
        let data = common::read(&folder, name);
        same_print(name, row(&outcomes(&data, &data.scores, ScoreKind::Probabilities)), expected);
    }
}

#[test]
fn ensembles_of_the_reference_table_are_reproduced_to_all_printed_digits() {
    let Some(folder) = common::logits_folder() else { return };
    for (members, mean_of_logits, mean_of_softmax) in ENSEMBLES {
        let members = members.map(|member| common::read(&folder, SINGLE[member].0));
        let [a, b, c] = &members;
        let mean = |softmax: bool| -> Vec<f32> {
            let parts = [a, b, c].map(|data| if softmax { softmax_f64(data) } else { widen(&data.scores) });
            (0..parts[0].len()).map(|i| ((parts[0][i] + parts[1][i] + parts[2][i]) / 3.0) as f32).collect()
        };
        same_print("mean of logits", row(&outcomes(a, &mean(false), ScoreKind::Logits)), mean_of_logits);
        same_print(
            "mean of softmax",
            row(&outcomes(a, &mean(true), ScoreKind::Probabilities)),
            mean_of_softmax,
        );
    }
}

#[test]
fn the_temperature_that_minimises_the_nll_is_found_where_the_reference_has_it() {
    let Some(folder) = common::logits_folder() else { return };
    for (name, _, [temperature, nll, ece]) in SINGLE {
        let data = common::read(&folder, name);
        let at = |temperature: f64| {
            let scaled: Vec<f32> = data.scores.iter().map(|&z| (f64::from(z) / temperature) as f32).collect();
            outcomes(&data, &scaled, ScoreKind::Logits)
        };
        let found = minimum(|temperature| at(temperature).all().nll(), 1.2, 2.4);
        assert!((found - temperature).abs() < 1e-4, "{name}: T = {found} against {temperature}");
        let scaled = at(temperature);
        let scaled = scaled.all();
        // The printed T is rounded, so that the ECE may move in its last digit.
        assert!((scaled.nll() - nll).abs() < 1e-6, "{name}: NLL {} against {nll}", scaled.nll());
        let ours = scaled.reliability(Binning::default()).ece();
        assert!((ours - ece).abs() < 2e-6, "{name}: ECE {ours} against {ece}");
    }
}

/// The mean of the three CIFAR-100 models' logits has its NLL just below where the printed .880674 would round up. NumPy 2.4.6, in
/// float64 throughout:
/// ```python
/// m = np.mean([np.fromfile(f, "<f4").reshape(-1, 100).astype(np.float64) for f in files], axis=0)
/// print(-scipy.special.log_softmax(m, axis=1)[np.arange(10000), y].mean())           # 0.8806744899712805
/// m = m.astype(np.float32).astype(np.float64)                                        # 0.8806744903642088
/// ```
/// So the table is right, and we are to within what exponentials in `f32` leave.
#[test]
fn a_figure_at_the_edge_of_its_last_printed_digit_is_right_beyond_it() {
    let Some(folder) = common::logits_folder() else { return };
    let [a, b, c] = [0, 1, 2].map(|member| common::read(&folder, SINGLE[member].0));
    let sums = a.scores.iter().zip(&b.scores).zip(&c.scores);
    let mean: Vec<f32> =
        sums.map(|((&a, &b), &c)| ((f64::from(a) + f64::from(b) + f64::from(c)) / 3.0) as f32).collect();
    let [_, nll, ..] = row(&outcomes(&a, &mean, ScoreKind::Logits));
    assert!((nll - 0.8806744903642088).abs() < 3e-8, "{nll:.12}");
}

fn widen(scores: &[f32]) -> Vec<f64> {
    scores.iter().map(|&score| f64::from(score)).collect()
}

fn softmax_f64(data: &RealScores) -> Vec<f64> {
    let rows = data.scores.chunks(data.classes).map(|row| {
        let max = row.iter().fold(f32::NEG_INFINITY, |max, &z| max.max(z));
        let e: Vec<f64> = row.iter().map(|&z| (f64::from(z) - f64::from(max)).exp()).collect();
        let sum: f64 = e.iter().sum();
        e.into_iter().map(move |e| e / sum).collect::<Vec<_>>()
    });
    rows.flatten().collect()
}

/// Successive parabolic interpolation of a smooth function with one minimum between `low` and `high`.
fn minimum(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    let (mut center, mut step) = (f64::midpoint(low, high), (high - low) / 4.0);
    for _ in 0..12 {
        let [below, at, above] = [f(center - step), f(center), f(center + step)];
        center += (step / 2.0 * (below - above) / (below - 2.0 * at + above)).clamp(-2.0 * step, 2.0 * step);
        step = (step / 2.0).max(5e-3);
    }
    center
}
