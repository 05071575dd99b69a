//! The experiment files against the table of the reference's 18 configurations (learning rates, batches, schedules, tau, …).

use std::path::Path;

use balpoe::core::config::Sources;
use balpoe::core::experiment::{Arm, BatchNormGroup, Experiment};
use serde_json::{Value as Json, json};

/// One of the reference's configurations.
struct Configuration {
    file: &'static str,
    backbone: &'static str,
    dataset: &'static str,
    /// Training images of the most frequent class over those of the rarest, for CIFAR.
    imbalance_ratio: Option<f64>,
    batch: usize,
    /// Images that share batch-norm statistics: the batch over the number of GPUs.
    group: Option<usize>,
    learning_rate: f64,
    weight_decay: f64,
    /// Epochs of the drops and of the warm-up; none for half a cosine wave.
    steps: Option<([u64; 2], u64)>,
    epochs: usize,
    tau: [f64; 3],
    alpha: f64,
    augmentations: &'static [&'static str],
}

const STANDARD: &[&str] = &["pad-crop", "horizontal-flip", "rotation"];
const AUTO: &[&str] = &["pad-crop", "horizontal-flip", "auto-augment"];
/// The reference's CIFAR-10 loader never applied the policy that its configuration asks for.
const PLAIN: &[&str] = &["pad-crop", "horizontal-flip"];
const LARGE: &[&str] = &["random-resized-crop", "horizontal-flip"];
const JITTER: &[&str] = &["random-resized-crop", "horizontal-flip", "colour-jitter"];
const RAND: &[&str] = &["random-resized-crop", "horizontal-flip", "colour-jitter", "rand-augment"];

fn configurations() -> Vec<Configuration> {
    let cifar = |file, dataset, ratio, alpha, long, augmentations| Configuration {
        file,
        backbone: "resnet32",
        dataset,
        imbalance_ratio: Some(ratio),
        batch: 128,
        group: None,
        learning_rate: 0.1,
        weight_decay: 5e-4,
        steps: Some(if long { ([320, 360], 10) } else { ([160, 180], 5) }),
        epochs: if long { 400 } else { 200 },
        tau: [0.0, 1.0, 2.0],
        alpha,
        augmentations,
    };
    let imagenet = |file, backbone, epochs, augmentations| Configuration {
        file,
        backbone,
        dataset: "image-list",
        imbalance_ratio: None,
        batch: 64,
        group: Some(32),
        learning_rate: 0.025,
        weight_decay: 5e-4,
        steps: None,
        epochs,
        tau: [0.0, 1.25, 2.5],
        alpha: 0.3,
        augmentations,
    };
    let inaturalist = |file, epochs, augmentations| Configuration {
        file,
        backbone: "resnet50",
        dataset: "image-list",
        imbalance_ratio: None,
        batch: 512,
        group: Some(128),
        learning_rate: 0.2,
        weight_decay: 2e-4,
        steps: None,
        epochs,
        tau: [-1.0, 1.0, 3.0],
        alpha: 0.2,
        augmentations,
    };
    vec![
        cifar("cifar100-lt", "cifar100", 100.0, 0.4, false, STANDARD),
        cifar("cifar100-lt-ir50", "cifar100", 50.0, 0.4, false, STANDARD),
        cifar("cifar100-lt-ir10", "cifar100", 10.0, 0.4, false, STANDARD),
        cifar("cifar10-lt", "cifar10", 100.0, 0.8, false, STANDARD),
        cifar("cifar10-lt-ir50", "cifar10", 50.0, 0.8, false, STANDARD),
        cifar("cifar10-lt-ir10", "cifar10", 10.0, 0.8, false, STANDARD),
        imagenet("imagenet-lt-resnet50", "resnet50", 180, JITTER),
        imagenet("imagenet-lt-resnext50", "resnext50", 180, JITTER),
        inaturalist("inat18", 100, LARGE),
        cifar("cifar100-lt-long", "cifar100", 100.0, 0.4, true, AUTO),
        cifar("cifar100-lt-long-ir50", "cifar100", 50.0, 0.4, true, AUTO),
        cifar("cifar100-lt-long-ir10", "cifar100", 10.0, 0.4, true, AUTO),
        cifar("cifar10-lt-long", "cifar10", 100.0, 0.8, true, PLAIN),
        cifar("cifar10-lt-long-ir50", "cifar10", 50.0, 0.8, true, PLAIN),
        cifar("cifar10-lt-long-ir10", "cifar10", 10.0, 0.8, true, PLAIN),
        imagenet("imagenet-lt-resnet50-long", "resnet50", 400, RAND),
        imagenet("imagenet-lt-resnext50-long", "resnext50", 400, RAND),
        inaturalist("inat18-long", 400, RAND),
    ]
}

#[test]
fn experiments_are_the_reference_s_configurations() {
    let all = configurations();
    assert_eq!(all.len(), 18);
    for wanted in all {
        let experiment = read(wanted.file);
        assert_eq!(experiment.name, wanted.file);
        let [arm] = &experiment.arms[..] else { panic!("{} has one arm", wanted.file) };
        compare(arm, &wanted);
    }
}

#[test]
fn seven_experts_are_the_long_configuration_with_more_of_them() {
    let experiment = read("cifar100-lt-7experts");
    let arm = &experiment.arms[0];
    assert_eq!(arm.backbone.settings["experts"], json!(7));
    assert_eq!(arm.recipe.objective.settings["tau"], json!({ "limits": [0.0, 2.0] }));
    let long = read("cifar100-lt-long");
    assert_eq!(
        (&arm.train, &arm.recipe.schedule.settings),
        (&long.arms[0].train, &long.arms[0].recipe.schedule.settings)
    );
    assert_eq!(names(arm), AUTO);
}

fn read(name: &str) -> Experiment {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("experiments/{name}.toml"));
    Experiment::read(&path, &[], &mut Sources::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names(arm: &Arm) -> Vec<&'static str> {
    arm.recipe.augmentations.iter().map(|augmentation| augmentation.name).collect()
}

fn compare(arm: &Arm, wanted: &Configuration) {
    let file = wanted.file;
    assert_eq!((arm.dataset.name, arm.backbone.name), (wanted.dataset, wanted.backbone), "{file}");
    if let Some(ratio) = wanted.imbalance_ratio {
        assert_eq!(arm.dataset.settings["imbalance_ratio"], json!(ratio), "{file}");
    }
    assert_eq!(arm.backbone.settings["experts"], json!(3), "{file}");
    assert_eq!(arm.backbone.settings["reduce_dimension"], json!(false), "{file}");
    assert_eq!((arm.head.name, &arm.head.settings["scale"]), ("cosine", &json!(30.0)), "{file}");
    let group = wanted.group.map_or(BatchNormGroup::All, BatchNormGroup::Images);
    let train = &arm.train;
    assert_eq!(
        (train.epochs, train.batch_size, train.batch_norm_group),
        (wanted.epochs, wanted.batch, group),
        "{file}"
    );
    let optimizer = &arm.recipe.optimizer.settings;
    let numbers = ["learning_rate", "weight_decay", "momentum"].map(|name| optimizer[name].as_f64());
    assert_eq!(arm.recipe.optimizer.name, "sgd", "{file}");
    assert_eq!(numbers, [wanted.learning_rate, wanted.weight_decay, 0.9].map(Some), "{file}");
    assert_eq!(optimizer["nesterov"], json!(true), "{file}");
    let schedule = &arm.recipe.schedule.settings;
    match wanted.steps {
        Some((milestones, warmup)) => {
            let found =
                (arm.recipe.schedule.name, &schedule["milestones"], &schedule["warmup"], &schedule["gamma"]);
            assert_eq!(found, ("step", &json!(milestones), &json!(warmup), &json!(0.1)), "{file}");
        }
        None => {
            assert_eq!((arm.recipe.schedule.name, &schedule["minimum"]), ("cosine", &json!(0.0)), "{file}");
        }
    }
    assert_eq!(arm.recipe.objective.name, "balanced-experts", "{file}");
    assert_eq!(taus(&arm.recipe.objective.settings["tau"]), wanted.tau, "{file}");
    let [mixing] = &arm.recipe.mixings[..] else { panic!("{file} has one mixing") };
    assert_eq!((mixing.name, &mixing.settings["alpha"]), ("mixup", &json!(wanted.alpha)), "{file}");
    assert_eq!(names(arm), wanted.augmentations, "{file}");
    assert_eq!(arm.recipe.sampler.name, "instance-balanced", "{file}");
    assert_eq!(arm.aggregator.name, "mean-logits", "{file}");
}

/// The tau of three experts, by the reference's rule `limits`.
fn taus(settings: &Json) -> [f64; 3] {
    let limits = settings["limits"].as_array().expect("limits");
    let [low, high] = [0, 1].map(|place| limits[place].as_f64().expect("a number"));
    [low, f64::midpoint(low, high), high]
}
