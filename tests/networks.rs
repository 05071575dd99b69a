//! Networks for large images held against PyTorch and torchvision: weights come in under foreign names, results are the same, and
//! weights go out under the names and shapes that PyTorch loads.
//!
//! `golden/README.md` says how the weights are regenerated and what is stored.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use balpoe::core::components::{Data, DataError, Image, Images, Split};
use balpoe::core::config::Sources;
use balpoe::core::digest::sha256;
use balpoe::core::experiment::Experiment;
use balpoe::lab::{Network, Resources, Trainer, WeightFile, WeightNames, export_weights};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

const CLASSES: usize = 10;
const IMAGES: u64 = 9000;
/// What the product promises: PyTorch's own `f32` is 3e-6 off.
const TOLERANCE: f32 = 1e-4;

#[test]
fn a_torchvision_resnet50_gives_the_same_features() {
    let golden = Golden::read();
    let mut state = State::default();
    let network = Case::new("resnet50", "experts = 1", 64).network(None);
    state.add_network(&network, "", |name| !name.starts_with("linear"));
    // The classifier is in the file and is not taken.
    state.add("fc.weight", &[1000, 2048]);
    state.add("fc.bias", &[1000]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("resnet50.safetensors");
    fs::write(&file, state.encode()).expect("written");

    let case = Case::new("resnet50", "experts = 1", 64);
    let network = case.network(Some(&file));
    let experiment = case.experiment(Some(&file));
    let data = case.data();
    let mut trainer =
        Trainer::new(&experiment.arms[0], &data, &data.train, &network, 0, Resources::processor(2))
            .expect("a trainer");
    trainer.predict(&case.images(), 2).expect("features");
    let features = trainer.executor().output(0).to_vec();
    golden.compare("torchvision.resnet50.features", &features);
}

#[test]
fn resnet34_with_the_reference_s_names() {
    there_and_back("resnet34", "experts = 2, layer3_channels = 40, layer4_channels = 48", 32);
}

#[test]
fn resnet50_with_the_reference_s_names() {
    let settings = "experts = 3, layer3_channels = 32, layer4_channels = 40, share_layer3 = true";
    there_and_back("resnet50", settings, 64);
}

#[test]
fn resnext50_with_the_reference_s_names() {
    there_and_back("resnext50", "experts = 2, layer3_channels = 64, layer4_channels = 80", 64);
}

/// A state of PyTorch gives PyTorch's logits, and leaves as the state that it was.
fn there_and_back(kind: &str, settings: &str, side: usize) {
    let golden = Golden::read();
    let case = Case::new(kind, settings, side);
    let network = case.network(None);
    let mut state = State::default();
    state.add_network(&network, "backbone.", |_| true);
    let folder = tempfile::tempdir().expect("a folder");
    let theirs = folder.path().join("theirs.safetensors");
    fs::write(&theirs, state.encode()).expect("written");

    let experiment = case.experiment(None);
    let data = case.data();
    let mut trainer =
        Trainer::new(&experiment.arms[0], &data, &data.train, &network, 0, Resources::processor(2))
            .expect("a trainer");
    trainer.load(&WeightFile::read(&theirs).expect("a file")).expect("all tensors");
    let logits = trainer.predict(&case.images(), 2).expect("logits");
    golden.compare(&format!("{kind}.logits"), &logits.concat());

    let plain = folder.path().join("ours.safetensors");
    export_weights(&theirs, WeightNames::Plain, &plain).expect("exported");
    let back = folder.path().join("back.safetensors");
    export_weights(&plain, WeightNames::PyTorch, &back).expect("exported");
    let bytes = fs::read(&back).expect("exported");
    assert_eq!(listing(&bytes), golden.states[kind], "names, shapes and types that PyTorch has");
    let (found, expected) = (SafeTensors::deserialize(&bytes).expect("tensors"), state.encode());
    for (name, view) in SafeTensors::deserialize(&expected).expect("tensors").tensors() {
        assert!(found.tensor(&name).expect("there").data() == view.data(), "{name}");
    }
}

#[test]
fn one_error_names_everything_that_does_not_fit() {
    let case = Case::new("resnet10", "experts = 2, layer3_channels = 8, layer4_channels = 8", 32);
    let network = case.network(None);
    let mut state = State::default();
    state.add_network(&network, "module.backbone.", |name| !name.starts_with("layer4s.1.0.bn"));
    state.tensors.remove("module.backbone.linears.1.weight");
    state.add("module.backbone.linears.1.weight", &[8, 11]);
    state.add("module.backbone.linears.2.weight", &[8, 10]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("other.safetensors");
    fs::write(&file, state.encode()).expect("written");

    let experiment = case.experiment(None);
    let data = case.data();
    let mut trainer =
        Trainer::new(&experiment.arms[0], &data, &data.train, &network, 0, Resources::processor(1))
            .expect("a trainer");
    let error = trainer.load(&WeightFile::read(&file).expect("a file")).expect_err("another network");
    let text = error.to_string().replace(&file.display().to_string(), "other.safetensors");
    insta::assert_snapshot!(text);

    fs::write(&file, b"PK\x03\x04archive/data.pkl").expect("written");
    let error = WeightFile::read(&file).expect_err("a pickle").to_string();
    assert!(error.contains("this is a PyTorch pickle"), "{error}");
}

/// A network of two images.
struct Case {
    backbone: String,
    side: usize,
}

impl Case {
    fn new(kind: &str, settings: &str, side: usize) -> Self {
        Self { backbone: format!("kind = \"{kind}\", {settings}"), side }
    }

    fn experiment(&self, pretrained: Option<&Path>) -> Experiment {
        let pretrained = pretrained
            .map_or(String::new(), |path| format!(", pretrained = {:?}", path.display().to_string()));
        let text = format!(
            r#"
dataset = {{ kind = "cifar10" }}
backbone = {{ {}{pretrained} }}
head = {{ kind = "cosine", scale = 30.0 }}
objective = {{ kind = "cross-entropy" }}
optimizer = {{ kind = "sgd" }}
schedule = {{ kind = "constant" }}
train = {{ epochs = 1, batch_size = 2 }}
"#,
            self.backbone
        );
        Experiment::parse("golden", &text, &[], &mut Sources::default()).expect("valid")
    }

    fn data(&self) -> Data {
        let split = Split { images: Arc::new(NoImages), labels: (0..CLASSES as u32).collect() };
        Data {
            classes: (0..CLASSES).map(|class| class.to_string()).collect(),
            size: (self.side, self.side),
            mean: [0.0; 3],
            deviation: [1.0; 3],
            train: split.clone(),
            test: split,
            group_counts: vec![1; CLASSES],
            fingerprint: String::new(),
            subset: String::new(),
            distributions: BTreeMap::new(),
        }
    }

    fn network(&self, pretrained: Option<&Path>) -> Network {
        Network::describe(&self.experiment(pretrained).arms[0], &self.data()).expect("a network")
    }

    /// The golden images `[2, 3, side, side]` as `[2, side, side, 3]`.
    fn images(&self) -> Vec<f32> {
        let pixels = self.side * self.side;
        let at = |i: usize| {
            let (image, pixel, channel) = (i / (3 * pixels), i / 3 % pixels, i % 3);
            symmetric(IMAGES, ((image * 3 + channel) * pixels + pixel) as u64)
        };
        (0..2 * 3 * pixels).map(at).collect()
    }
}

/// A state of PyTorch: shapes by name. Counters of batches are among them, with no shape.
#[derive(Default)]
struct State {
    tensors: BTreeMap<String, Option<Vec<usize>>>,
}

impl State {
    fn add(&mut self, name: &str, shape: &[usize]) {
        self.tensors.insert(name.to_owned(), Some(shape.to_vec()));
    }

    /// The tensors of a network that `kept` keeps, with the counters of its batch norms.
    fn add_network(&mut self, network: &Network, prefix: &str, kept: fn(&str) -> bool) {
        for parameter in network.net.parameters().iter().filter(|p| kept(&p.name)) {
            self.add(&format!("{prefix}{}", parameter.name), &parameter.shape);
        }
        for buffer in network.net.buffers().iter().filter(|b| kept(&b.name)) {
            self.add(&format!("{prefix}{}", buffer.name), &[buffer.len]);
            if let Some(norm) = buffer.name.strip_suffix("running_var") {
                self.tensors.insert(format!("{prefix}{norm}num_batches_tracked"), None);
            }
        }
    }

    /// The fixed numbers of every tensor, as a file.
    fn encode(&self) -> Vec<u8> {
        let mut values = Vec::new();
        for (place, (name, shape)) in self.tensors.iter().enumerate() {
            values.push(match shape {
                Some(shape) => {
                    fixed(name, place as u64, shape).iter().flat_map(|v| v.to_le_bytes()).collect()
                }
                None => 0_i64.to_le_bytes().to_vec(),
            });
        }
        let views = self.tensors.iter().zip(&values).map(|((name, shape), values)| {
            let (dtype, shape) =
                shape.as_ref().map_or((Dtype::I64, Vec::new()), |shape| (Dtype::F32, shape.clone()));
            (name, TensorView::new(dtype, shape, values).expect("a tensor"))
        });
        safetensors::serialize(views, None).expect("a file")
    }
}

fn fixed(name: &str, place: u64, shape: &[usize]) -> Vec<f32> {
    let numbers = (0..shape.iter().product::<usize>() as u64).map(|i| symmetric(place, i));
    match shape {
        [_, rest @ ..] if rest.len() == 3 => {
            let bound = (6.0 / rest.iter().product::<usize>() as f64).sqrt() as f32;
            numbers.map(|u| u * bound).collect()
        }
        [_] if name.ends_with("running_var") || name.ends_with("weight") => {
            numbers.map(|u| u * 0.125 + 1.0).collect()
        }
        _ => numbers.map(|u| u * 0.125).collect(),
    }
}

/// Number `i` of a stream, as `golden/fixed.py` makes it.
fn symmetric(stream: u64, i: u64) -> f32 {
    let mut z = ((stream << 32) + i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    ((z >> 40) as i64 - (1 << 23)) as f32 * 2.0_f32.powi(-23)
}

/// SHA-256 of the sorted lines `name [shape] dtype`.
fn listing(bytes: &[u8]) -> String {
    let file = SafeTensors::deserialize(bytes).expect("tensors");
    let dtype = |dtype| if dtype == Dtype::I64 { "int64" } else { "float32" };
    let mut lines: Vec<String> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| format!("{name} {:?} {}\n", view.shape(), dtype(view.dtype())))
        .collect();
    lines.sort();
    sha256(lines.concat())
}

struct Golden {
    tensors: BTreeMap<String, Vec<f32>>,
    states: BTreeMap<String, String>,
}

impl Golden {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/networks.safetensors");
        let bytes = fs::read(path).expect("the golden file");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("metadata");
        let about = &metadata.metadata().as_ref().expect("about")["about"];
        let about: serde_json::Value = serde_json::from_str(about).expect("JSON");
        let states = serde_json::from_value(about["states"].clone()).expect("digests");
        let file = SafeTensors::deserialize(&bytes).expect("tensors");
        let numbers = |view: TensorView<'_>| {
            view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        };
        let tensors = file.tensors().into_iter().map(|(name, view)| (name, numbers(view))).collect();
        Self { tensors, states }
    }

    fn compare(&self, name: &str, found: &[f32]) {
        let expected = &self.tensors[name];
        assert_eq!(found.len(), expected.len(), "{name}");
        let largest = expected.iter().fold(0.0_f32, |largest, v| largest.max(v.abs()));
        let off = found.iter().zip(expected).fold(0.0_f32, |off, (a, b)| off.max((a - b).abs()));
        assert!(off <= TOLERANCE * largest.max(1.0), "{name}: {off} off, the largest value is {largest}");
    }
}

/// The images of a data set that has none.
struct NoImages;

impl Images for NoImages {
    fn read(&self, position: usize) -> Result<Image, DataError> {
        Err(DataError::Other(format!("there is no image {position}")))
    }
}
