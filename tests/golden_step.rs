//! Two whole training steps of ResNet-32 with three experts, held against PyTorch in float64.
//!
//! Everything is built as an experiment builds it, from the registered components, and trained by the trainer that cells are
//! trained by; `golden/README.md` says how the inputs are regenerated, what is stored, and what the tolerances would find.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use balpoe::core::components::{Batch, Data, DataError, Image, Images, Position, Split, Targets};
use balpoe::core::config::{Override, Sources};
use balpoe::core::digest::sha256;
use balpoe::core::experiment::Experiment;
use balpoe::lab::{Network, Resources, Trainer};
use safetensors::SafeTensors;

const EXPERTS: usize = 3;
const CLASSES: usize = 100;
const BATCH: usize = 4;
const SIDE: usize = 32;

const LABELS: [u32; BATCH] = [0, 37, 99, 63];
const PARTNERS: [usize; BATCH] = [2, 0, 3, 1];
const LAMBDA: f32 = 0.3125;

/// Streams of fixed numbers: gradients are projected on the first and those after it; images are made of the others.
const PROJECTION: u64 = 1000;
const COARSE: u64 = 2262;
const FINE: u64 = 2263;

/// Features, logits, losses, running statistics: relative to the largest value. PyTorch's own `f32` is 1e-6 off.
const VALUES: f64 = 1e-5;
/// Gradients and changes of parameters: relative to the norm of the tensor. PyTorch's own `f32` is up to 4e-4 off, the smallest
/// mistake that was tried 1e-2.
const GRADIENTS: f64 = 1e-3;

/// Mixing is left out: the batch comes mixed.
const EXPERIMENT: &str = r#"
[dataset]
kind = "cifar100"

[backbone]
kind = "resnet32"
experts = 3

[head]
kind = "cosine"
scale = 30.0

[objective]
kind = "balanced-experts"
tau = [0.0, 1.0, 2.0]
epsilon = 1e-9

[optimizer]
kind = "sgd"
learning_rate = 0.1
momentum = 0.9
nesterov = true
weight_decay = 5e-4

[schedule]
kind = "constant"

[train]
epochs = 1
batch_size = 4
"#;

#[test]
fn in_the_engine_with_winograd() {
    compare(&[]);
}

#[test]
fn in_the_engine_without_winograd() {
    compare(&["train.winograd=false"]);
}

#[test]
fn head_and_loss_in_dfdx() {
    compare(&["train.lowering=off"]);
}

/// Trains two steps and compares everything that the golden file holds of them.
fn compare(settings: &[&str]) {
    let golden = Golden::read();
    let overrides: Vec<Override> = settings.iter().map(|&text| Override::Set(text.to_owned())).collect();
    let experiment =
        Experiment::parse("golden", EXPERIMENT, &overrides, &mut Sources::default()).expect("valid");
    let arm = &experiment.arms[0];
    let data = data();
    let network = Network::describe(arm, &data).expect("a network");
    let mut trainer =
        Trainer::new(arm, &data, &data.train, &network, 0, Resources::processor(2)).expect("a trainer");

    // Place of each golden parameter in the network's list.
    let places: Vec<usize> = golden
        .parameters
        .iter()
        .map(|name| network.net.parameter_index(name).unwrap_or_else(|| panic!("no parameter {name}")))
        .collect();
    assert_eq!(places.len(), network.net.parameters().len());
    let images = images();
    let mut bytes = Vec::new();
    let mut start = Vec::new();
    for (stream, (&place, name)) in places.iter().zip(&golden.parameters).enumerate() {
        let values = initial(name, stream as u64, &network.net.parameters()[place].shape);
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        trainer.executor_mut().set_parameter(place, &values).expect("set");
        start.push(values);
    }
    bytes.extend(images.iter().flat_map(|v| v.to_le_bytes()));
    assert_eq!(
        sha256(bytes),
        golden.inputs_sha256,
        "the regenerated inputs are not those of the golden file"
    );

    let mut check = Check { golden: &golden, failures: Vec::new() };
    for batch in 0..2 {
        let step = format!("step{}", batch + 1);
        let position = Position { epoch: 0, epochs: 1, batch, batches: 2 };
        let result = trainer.step(&mut mixed(&images), position).expect("a step");
        let executor = trainer.executor();
        let outputs = |range: std::ops::Range<usize>| -> Vec<f32> {
            range.flat_map(|k| executor.output(k).to_vec()).collect()
        };
        check.values(&format!("{step}.features"), &outputs(0..EXPERTS));
        if network.net.outputs().len() == 2 * EXPERTS {
            check.values(&format!("{step}.logits"), &outputs(EXPERTS..2 * EXPERTS));
        }
        check.close(&format!("{step}.loss"), &[result.loss], VALUES);
        let gradients: Vec<_> =
            places.iter().map(|&place| executor.gradient(place).expect("a gradient")).collect();
        let gradients: Vec<&[f32]> = gradients.iter().map(|gradient| &**gradient).collect();
        check.per_parameter(&format!("{step}.gradient"), &gradients);
        if batch == 0 {
            for (name, gradient) in golden.parameters.iter().zip(&gradients) {
                check.gradient(name, gradient);
            }
        }
        let changes: Vec<Vec<f32>> = places
            .iter()
            .zip(&start)
            .map(|(&place, start)| {
                let now = executor.parameter(place).expect("a parameter");
                now.iter().zip(start).map(|(now, then)| now - then).collect()
            })
            .collect();
        let changes: Vec<&[f32]> = changes.iter().map(Vec::as_slice).collect();
        check.per_parameter(&format!("{step}.change"), &changes);
        for (place, buffer) in network.net.buffers().iter().enumerate() {
            let (norm, statistic) = buffer.name.rsplit_once('.').expect("norm.statistic");
            let name = format!("{step}.{statistic}.{norm}");
            if golden.tensors.contains_key(&name) {
                check.values(&name, &executor.buffer(place).expect("a buffer"));
            }
        }
    }
    let logits = trainer.predict(&nhwc(&images), BATCH).expect("predictions");
    check.values("after.logits", &logits.concat());
    assert!(check.failures.is_empty(), "{settings:?}:\n{}", check.failures.join("\n"));
}

/// Compares and collects what is off, so that a failure shows the whole picture.
struct Check<'a> {
    golden: &'a Golden,
    failures: Vec<String>,
}

impl Check<'_> {
    fn values(&mut self, name: &str, found: &[f32]) {
        let found: Vec<f64> = found.iter().map(|&v| f64::from(v)).collect();
        self.close(name, &found, VALUES);
    }

    /// Errors relative to the largest value.
    fn close(&mut self, name: &str, found: &[f64], tolerance: f64) {
        let expected = self.golden.tensor(name);
        assert_eq!(found.len(), expected.len(), "{name}");
        let scale = expected.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            self.judge(&format!("{name}[{i}]"), *found, *expected, scale, tolerance);
        }
    }

    /// The stored norms and projections of one tensor per parameter; errors relative to the norm.
    fn per_parameter(&mut self, what: &str, tensors: &[&[f32]]) {
        let golden = self.golden;
        let norms = golden.tensor(&format!("{what}_norm"));
        let projections = golden.tensor(&format!("{what}_projection"));
        for (p, (tensor, name)) in tensors.iter().zip(&golden.parameters).enumerate() {
            let norm = tensor.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            let fixed = |i: usize| f64::from(symmetric(PROJECTION + p as u64, i));
            let projection: f64 = tensor.iter().enumerate().map(|(i, &v)| fixed(i) * f64::from(v)).sum();
            self.judge(&format!("{what}_norm of {name}"), norm, norms[p], norms[p], GRADIENTS);
            self.judge(
                &format!("{what}_projection of {name}"),
                projection,
                projections[p],
                norms[p],
                GRADIENTS,
            );
        }
    }

    /// A whole gradient where one is stored, or the first output channels of one.
    fn gradient(&mut self, name: &str, found: &[f32]) {
        let record = format!("step1.gradient.{name}");
        if let Some(expected) = self.golden.tensors.get(&record) {
            let found: Vec<f64> = found.iter().take(expected.len()).map(|&v| f64::from(v)).collect();
            self.close(&record, &found, GRADIENTS);
        }
    }

    fn judge(&mut self, name: &str, found: f64, expected: f64, scale: f64, tolerance: f64) {
        let error = (found - expected).abs() / scale;
        if error.is_nan() || error > tolerance {
            self.failures.push(format!("{name}: found {found}, expected {expected}, error {error:.1e}"));
        }
    }
}

/// The golden file.
struct Golden {
    tensors: BTreeMap<String, Vec<f64>>,
    parameters: Vec<String>,
    inputs_sha256: String,
}

impl Golden {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/resnet32_step.safetensors");
        let bytes = fs::read(path).expect("the golden file");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("a header");
        let about = metadata.metadata().as_ref().and_then(|m| m.get("about")).expect("what it is about");
        let about: serde_json::Value = serde_json::from_str(about).expect("JSON");
        let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
        let tensors = tensors.tensors().into_iter().map(|(name, view)| {
            let values = view.data().as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b)).collect();
            (name, values)
        });
        Self {
            tensors: tensors.collect(),
            parameters: serde_json::from_value(about["parameters"].clone()).expect("names"),
            inputs_sha256: about["inputs_sha256"].as_str().expect("a hash").to_owned(),
        }
    }

    fn tensor(&self, name: &str) -> &[f64] {
        self.tensors.get(name).unwrap_or_else(|| panic!("the golden file has no {name}"))
    }
}

/// Element `i` of a stream of fixed numbers in [-1, 1).
fn symmetric(stream: u64, i: usize) -> f32 {
    let mut z = ((stream << 32) + i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    ((z >> 40) as f32 - 23_f32.exp2()) * (-23_f32).exp2()
}

/// Initial values of a parameter.
fn initial(name: &str, stream: u64, shape: &[usize]) -> Vec<f32> {
    let numbers = (0..shape.iter().product()).map(|i| symmetric(stream, i));
    match shape {
        &[_, inputs, height, width] => {
            let bound = (6.0 / (inputs * height * width) as f64).sqrt() as f32;
            numbers.map(|u| u * bound).collect()
        }
        [_, _] => numbers.map(|u| u * 0.125).collect(),
        _ if name.ends_with(".weight") => numbers.map(|u| u * 0.125 + 1.0).collect(),
        _ => numbers
            .enumerate()
            .map(|(channel, u)| if channel % 4 == 3 { -(u * 0.25 + 3.0) } else { u * 0.25 + 3.0 })
            .collect(),
    }
}

/// The images before mixing, `[batch, 3, 32, 32]`: noise on blocks of 8x8 pixels.
fn images() -> Vec<f32> {
    let pixel = |i: usize| {
        let (plane, row, column) = (i / (SIDE * SIDE), i / SIDE % SIDE, i % SIDE);
        let block = plane * 16 + row / 8 * 4 + column / 8;
        2.0 * symmetric(COARSE, block) + 0.5 * symmetric(FINE, i)
    };
    (0..BATCH * 3 * SIDE * SIDE).map(pixel).collect()
}

/// `[batch, 3, 32, 32]` as the engine has it, `[batch, 32, 32, 3]`.
fn nhwc(images: &[f32]) -> Vec<f32> {
    let pixels = SIDE * SIDE;
    let value = |i: usize| {
        let (image, pixel, channel) = (i / (3 * pixels), i / 3 % pixels, i % 3);
        images[(image * 3 + channel) * pixels + pixel]
    };
    (0..images.len()).map(value).collect()
}

/// The batch that is trained on.
fn mixed(images: &[f32]) -> Batch {
    let images = nhwc(images);
    let len = images.len() / BATCH;
    let blended = (0..images.len()).map(|i| {
        let partner = PARTNERS[i / len] * len + i % len;
        LAMBDA * images[i] + (1.0 - LAMBDA) * images[partner]
    });
    Batch {
        images: blended.collect(),
        shape: (SIDE, SIDE, 3),
        targets: Targets {
            first: LABELS.to_vec(),
            second: PARTNERS.iter().map(|&partner| LABELS[partner]).collect(),
            lambda: vec![LAMBDA; BATCH],
            smoothing: 0.0,
        },
    }
}

/// A data set with the class counts of CIFAR-100-LT at imbalance ratio 100, and no images.
fn data() -> Data {
    struct NoImages;
    impl Images for NoImages {
        fn read(&self, _: usize) -> Result<Image, DataError> {
            Err(DataError::Other("this data set has no images".to_owned()))
        }
    }
    let count = |class: usize| (500.0 * 0.01_f64.powf(class as f64 / 99.0)) as usize;
    let labels = (0..CLASSES).flat_map(|class| std::iter::repeat_n(class as u32, count(class))).collect();
    let split = Split { images: Arc::new(NoImages), labels };
    Data {
        classes: (0..CLASSES).map(|class| class.to_string()).collect(),
        size: (SIDE, SIDE),
        mean: [0.5; 3],
        deviation: [0.25; 3],
        train: split.clone(),
        test: split,
        group_counts: (0..CLASSES).map(count).collect(),
        fingerprint: String::new(),
        subset: String::new(),
        distributions: BTreeMap::new(),
    }
}
