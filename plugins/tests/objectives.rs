//! Objectives against PyTorch: values and gradients of `tests/golden/objectives.json`, and the table of the specification.

use balpoe_core::components::{ExpertHead, ExpertOutput, LossInput, Objective, Targets, Trainees};
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, Matrix};
use balpoe_plugins::heads::Cosine;
use balpoe_plugins::objectives::{
    BalancedExperts, BalancedSoftmax, ClassBalanced, CrossEntropy, Focal, Ldam, LogitAdjustment, Ride, Sade,
    Tau,
};
use serde_json::Value;

const GOLDEN: &str = include_str!("../../tests/golden/objectives.json");

fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

fn integers<T: TryFrom<u64>>(value: &Value) -> Vec<T> {
    let convert = |v: &Value| T::try_from(v.as_u64().unwrap()).ok().unwrap();
    value.as_array().unwrap().iter().map(convert).collect()
}

fn matrix(device: &Device, rows: &Value) -> Matrix {
    let columns = rows[0].as_array().unwrap().len();
    let values = numbers(rows);
    let shape = (values.len() / columns, columns);
    device.tensor_from_vec(values, shape)
}

/// Largest difference, relative to the largest expected value or to one.
fn gap(found: &[f32], expected: &[f32]) -> f32 {
    let scale = expected.iter().fold(1e-3_f32, |scale, value| scale.max(value.abs()));
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / scale
}

/// Loss and gradient by every expert's logits.
fn evaluate(
    objective: &dyn Objective,
    logits: &[Matrix],
    targets: &Targets,
    counts: &[usize],
    device: &Device,
) -> (f32, Vec<f32>) {
    let loss = objective.prepare(Trainees { experts: logits.len(), class_counts: counts }).unwrap();
    let classes = counts.len();
    let target = device.tensor_from_vec(targets.dense(classes), (targets.first.len(), classes));
    let experts = logits
        .iter()
        .map(|logits| ExpertOutput { logits: logits.leaky_trace(), features: logits.clone() })
        .collect();
    let input = LossInput { experts, target, targets, epoch: 0, epochs: 1, device };
    let loss = loss.loss(input).unwrap();
    let value = loss.array();
    let gradients = loss.backward();
    (value, logits.iter().flat_map(|logits| gradients.get(logits).as_vec()).collect())
}

#[test]
fn values_and_gradients_are_those_of_pytorch() {
    let device = Device::default();
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    for case in golden["objectives"].as_array().unwrap() {
        let parameters = &case["parameters"];
        let objective: Box<dyn Objective> = match case["objective"].as_str().unwrap() {
            "cross-entropy" | "label-smoothing" => Box::new(CrossEntropy {}),
            "balanced-softmax" => Box::new(BalancedSoftmax {}),
            "logit-adjustment" => Box::new(LogitAdjustment { tau: parameters["tau"].as_f64().unwrap() }),
            "balanced-experts" => {
                let tau = serde_json::from_value(parameters["tau"].clone()).unwrap();
                Box::new(BalancedExperts { tau, ..BalancedExperts::default() })
            }
            other => panic!("no objective {other}"),
        };
        let mut targets = Targets::hard(integers(&case["labels"]));
        if let Some(smoothing) = parameters.get("smoothing") {
            targets.smoothing = smoothing.as_f64().unwrap() as f32;
        }
        if let Some(lambda) = case.get("lambda") {
            targets.second = integers(&case["partner_labels"]);
            targets.lambda = vec![lambda.as_f64().unwrap() as f32; targets.first.len()];
        }
        let logits: Vec<Matrix> =
            case["logits"].as_array().unwrap().iter().map(|rows| matrix(&device, rows)).collect();
        let counts: Vec<usize> = integers(&case["counts"]);
        let (loss, gradient) = evaluate(objective.as_ref(), &logits, &targets, &counts, &device);
        let what = format!("{} {parameters}", case["objective"]);
        assert!(gap(&[loss], &numbers(&case["loss"])) < 1e-6, "{what}: {loss} {}", case["loss"]);
        assert!(gap(&gradient, &numbers(&case["gradient"])) < 2e-6, "{what}");
    }
}

/// Three experts, two images, three classes: z[e][b][c] = 0.5 (e + 1) c (1 - 2 b) + 0.1 b c^2.
fn reference_logits(device: &Device) -> Vec<Matrix> {
    (0..3)
        .map(|e| {
            let z = |b: usize, c: usize| {
                0.5 * (e + 1) as f32 * c as f32 * (1.0 - 2.0 * b as f32) + 0.1 * (b * c * c) as f32
            };
            let values = (0..2).flat_map(|b| (0..3).map(move |c| z(b, c))).collect::<Vec<f32>>();
            device.tensor_from_vec(values, (2, 3))
        })
        .collect()
}

/// Computed with the reference implementation: class counts (100, 10, 1), three experts.
#[test]
fn totals_are_those_of_the_reference() {
    let device = Device::default();
    let logits = reference_logits(&device);
    let hard = Targets::hard(vec![0, 2]);
    let mixed = Targets { second: vec![1, 0], lambda: vec![0.3; 2], ..hard.clone() };
    for (tau, targets, total) in [
        ([0.0, 1.0, 2.0], &hard, 3.579_974_517_9),
        ([0.0, 1.25, 2.5], &hard, 4.124_560_936_5),
        ([-1.0, 1.0, 3.0], &hard, 4.793_833_319_8),
        ([0.0, 1.0, 2.0], &mixed, 1.864_069_770_3),
    ] {
        let objective = BalancedExperts { tau: Tau::List(tau.to_vec()), ..BalancedExperts::default() };
        let (loss, _) = evaluate(&objective, &logits, targets, &[100, 10, 1], &device);
        assert!((f64::from(loss) - total).abs() < 1e-6, "{loss} {total}");
    }
}

/// Computed with the reference implementation: class counts (100, 10, 1).
#[test]
fn other_losses_are_those_of_the_reference() {
    let device = Device::default();
    let two: Matrix = device.tensor_from_vec(vec![1.0, 2.0, 3.0, 0.5, -1.0, 0.25], (2, 3));
    let three = reference_logits(&device);
    let cases: [(&dyn Objective, &[Matrix], f64); 6] = [
        (&CrossEntropy {}, std::slice::from_ref(&two), 1.675_859_075_4),
        (&Focal { gamma: 2.0 }, std::slice::from_ref(&two), 1.173_016_414_9),
        (&ClassBalanced::default(), std::slice::from_ref(&two), 0.958_673_4),
        (&Ldam::default(), std::slice::from_ref(&two), 11.254_476_5),
        (&Ride::default(), &three, 36.025_276_6),
        (&Sade::default(), &three, 13.020_761_5),
    ];
    for (objective, logits, expected) in cases {
        let (loss, _) = evaluate(objective, logits, &Targets::hard(vec![0, 2]), &[100, 10, 1], &device);
        assert!(
            (f64::from(loss) - expected).abs() < 1e-6 * expected.max(1.0),
            "{objective:?}: {loss} {expected}"
        );
    }
}

#[test]
fn cosine_head_is_that_of_pytorch() {
    let device = Device::default();
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    for case in golden["cosine"].as_array().unwrap() {
        let read = |name: &str| matrix(&device, &case[name]);
        let (features, weight, upstream) = (read("features"), read("weight"), read("upstream"));
        let head = Cosine { scale: case["scale"].as_f64().unwrap() };
        let logits = head.forward(std::slice::from_ref(&weight), features.leaky_trace());
        assert!(gap(&logits.as_vec(), &numbers(&case["logits"])) < 1e-6);
        let gradients = (logits * upstream).sum::<Rank0, _>().backward();
        assert!(gap(&gradients.get(&features).as_vec(), &numbers(&case["features_gradient"])) < 1e-5);
        assert!(gap(&gradients.get(&weight).as_vec(), &numbers(&case["weight_gradient"])) < 1e-5);
    }
}

#[test]
fn wrong_settings_are_refused() {
    let experts = Trainees { experts: 3, class_counts: &[5, 1] };
    let objective = BalancedExperts { tau: Tau::List(vec![0.0, 1.0]), ..BalancedExperts::default() };
    let refused = objective.prepare(experts).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "2 values of tau for a network with 3 experts; there must be one for each"
    );
    let empty = Trainees { experts: 3, class_counts: &[5, 0] };
    let refused = BalancedSoftmax {}.prepare(empty).err().unwrap();
    assert!(refused.to_string().starts_with("class 1 has no training images"));
    assert!(CrossEntropy {}.prepare(empty).is_ok());
}
