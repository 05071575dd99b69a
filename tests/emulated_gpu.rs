//! Cells trained on GPUs that are emulated on the processor: the same training as on the processor, alone, in a group, with
//! heads and losses in dfdx, and after a change of devices in the middle; and what is said where memory does not suffice.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use balpoe::core::config::{Override, Sources};
use balpoe::core::experiment::Experiment;
use balpoe::lab::{Devices, Event, Gpus, LogOptions, Resources, RunOptions, Store, run};
use balpoe_emulation::EmulatedGpu;
use balpoe_engine::cuda::{Device, Fault, Precision, Storage};

/// What rounding may change in the mean loss of an epoch: three epochs at a low rate, at which steps do not amplify it. 3e-7 was
/// seen, and 3e-4 where heads and losses run in dfdx on both.
const TOLERANCE: f64 = 1e-3;

/// Emulated GPUs, with less memory than they need if so wanted.
#[derive(Debug)]
struct Emulated {
    memory: Option<usize>,
}

impl Gpus for Emulated {
    fn name(&self, ordinal: usize) -> String {
        format!("cuda:{ordinal} (emulated)")
    }

    fn open(&self, ordinals: &[usize], precision: Precision) -> Result<Vec<Box<dyn Device>>, Fault> {
        let storage = if precision == Precision::Bf16 { Storage::Bf16 } else { Storage::F32 };
        let group = EmulatedGpu::group(ordinals.len(), storage).expect("it was looked for");
        let open = |gpu: EmulatedGpu| {
            if let Some(bytes) = self.memory {
                gpu.resize(bytes);
            }
            Box::new(gpu) as Box<dyn Device>
        };
        Ok(group.into_iter().map(open).collect())
    }
}

/// Whether GPUs can be emulated here; says so if not.
#[expect(clippy::print_stdout, reason = "tests say what they skip")]
fn can_emulate() -> bool {
    let can = EmulatedGpu::group(1, Storage::F32).is_some();
    if !can {
        println!("skipped: there is no C++ compiler (g++)");
    }
    can
}

fn experiment(sets: &[&str]) -> Experiment {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/experiments/tiny.toml");
    let text = fs::read_to_string(tiny).expect("the miniature");
    let sets = sets.iter().copied().chain(["train.precision=\"f32\"", "optimizer.learning_rate=0.002"]);
    let overrides: Vec<Override> = sets.map(|set| Override::Set(set.to_owned())).collect();
    Experiment::parse("tiny", &text, &overrides, &mut Sources::default()).expect("an experiment")
}

/// Trains the miniature, up to an epoch if one is given, and gives the loss of every epoch; or why it failed.
fn losses(
    sets: &[&str],
    store: &Store,
    resources: Resources<'_>,
    until: Option<usize>,
) -> Result<Vec<f64>, String> {
    let interrupted = AtomicBool::new(false);
    let options = RunOptions {
        resources,
        workers: 0,
        jobs: 1,
        checkpoint_every: Duration::ZERO,
        interrupted: &interrupted,
        logs: &LogOptions::default(),
    };
    let told = Mutex::new((Vec::new(), None));
    let result = run(&mut experiment(sets), Path::new("nowhere"), store, options, &|event| match event {
        Event::Epoch { epoch, loss, .. } => {
            told.lock().expect("no panic").0.push(*loss);
            interrupted.store(until == Some(*epoch), Ordering::Relaxed);
        }
        Event::Failed { error, .. } => told.lock().expect("no panic").1 = Some(error.to_string()),
        _ => {}
    });
    let (losses, failure) = told.into_inner().expect("no panic");
    match (result, failure, until) {
        (_, Some(failure), _) => Err(failure),
        (Err(_), None, Some(_)) | (Ok(_), None, None) => Ok(losses),
        (Err(error), None, None) => Err(error.to_string()),
        (Ok(_), None, Some(_)) => Err("it was not interrupted".to_owned()),
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().expect("a folder");
    let store = Store::open(&home.path().join("runs")).expect("made");
    (home, store)
}

fn on_processor(sets: &[&str]) -> Vec<f64> {
    losses(sets, &store().1, Resources::processor(1), None).expect("trained")
}

fn assert_same(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found / expected - 1.0).abs() < TOLERANCE, "{what}: {found} against {expected}");
    }
}

#[test]
fn the_same_training_as_on_the_processor() {
    if !can_emulate() {
        return;
    }
    let gpus = Emulated { memory: None };
    let one = Resources { threads: 1, replicas: 1, devices: Devices::Cuda { ordinals: &[0], gpus: &gpus } };
    let two = Resources { replicas: 2, devices: Devices::Cuda { ordinals: &[0, 1], gpus: &gpus }, ..one };
    let expected = on_processor(&[]);
    assert_same("one GPU", &losses(&[], &store().1, one, None).expect("trained"), &expected);
    assert_same("two GPUs", &losses(&[], &store().1, two, None).expect("trained"), &expected);

    let through_dfdx = ["train.lowering=\"off\""];
    let expected = on_processor(&through_dfdx);
    assert_same("dfdx", &losses(&through_dfdx, &store().1, one, None).expect("trained"), &expected);
}

#[test]
fn a_cell_goes_on_on_another_device() {
    if !can_emulate() {
        return;
    }
    let gpus = Emulated { memory: None };
    let gpu = Resources { threads: 1, replicas: 1, devices: Devices::Cuda { ordinals: &[0], gpus: &gpus } };
    let processor = Resources::processor(1);
    let expected = on_processor(&[]);
    for (what, first, second) in [("to a GPU", processor, gpu), ("to the processor", gpu, processor)] {
        let (_home, store) = store();
        let mut all = losses(&[], &store, first, Some(1)).expect("interrupted");
        all.extend(losses(&[], &store, second, None).expect("trained"));
        assert_same(what, &all, &expected);
    }
}

#[test]
fn too_little_memory_is_an_error_that_says_how_much() {
    if !can_emulate() {
        return;
    }
    let gpus = Emulated { memory: Some(1 << 20) };
    let gpu = Resources { threads: 1, replicas: 1, devices: Devices::Cuda { ordinals: &[0], gpus: &gpus } };
    let error = losses(&[], &store().1, gpu, None).expect_err("it has one MiB");
    assert!(error.contains("MiB"), "{error}");
}
