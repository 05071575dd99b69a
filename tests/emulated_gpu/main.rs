//! Cells trained on GPUs that are emulated on the processor: the same training as on the processor, alone, in a group, with
//! heads and losses in dfdx, and after a change of devices in the middle; cells dealt out to several; and what is said, and
//! kept, where a device is lost or its memory does not suffice.

mod input;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use balpoe::core::config::{Override, Sources};
use balpoe::core::experiment::Experiment;
use balpoe::lab::{
    Devices, Event, FailureClass, Gpus, LabError, LogOptions, Resources, RunOptions, Store, run,
};
use balpoe_emulation::EmulatedGpu;
use balpoe_engine::cuda::{Device, Fault, Precision, Storage};

/// What rounding may change in the mean loss of an epoch: three epochs at a low rate, at which steps do not amplify it. 3e-7 was
/// seen, and 3e-4 where heads and losses run in dfdx on both.
const TOLERANCE: f64 = 1e-3;

/// The miniature's epoch has five batches, and each is one list of commands.
const LISTS_OF_AN_EPOCH: usize = 5;

/// Emulated GPUs: sound ones, unless one of the others is wanted.
#[derive(Debug, Default)]
struct Emulated {
    /// Bytes of memory, if less than they need.
    memory: Option<usize>,
    /// The number of a GPU that is lost after so many lists of commands, whenever it is opened.
    lost: Option<(usize, usize)>,
    /// What each has to tell whenever it is opened.
    notice: Option<&'static str>,
    /// The numbers that were opened, in their order.
    opened: Mutex<Vec<usize>>,
    /// The same GPUs.
    gpus: Mutex<Vec<EmulatedGpu>>,
}

impl Gpus for Emulated {
    fn name(&self, ordinal: usize) -> String {
        format!("cuda:{ordinal} (emulated)")
    }

    fn open(&self, ordinals: &[usize], precision: Precision) -> Result<Vec<Box<dyn Device>>, Fault> {
        let storage = if precision == Precision::Bf16 { Storage::Bf16 } else { Storage::F32 };
        let group = EmulatedGpu::group(ordinals.len(), storage).expect("it was looked for");
        self.opened.lock().expect("no panic").extend(ordinals);
        let open = |(gpu, &ordinal): (EmulatedGpu, &usize)| {
            if let Some(bytes) = self.memory {
                gpu.resize(bytes);
            }
            if let Some((lost, lists)) = self.lost
                && lost == ordinal
            {
                gpu.lose_after(lists);
            }
            if let Some(notice) = self.notice {
                gpu.notice(notice);
            }
            self.gpus.lock().expect("no panic").push(gpu.clone());
            Box::new(gpu) as Box<dyn Device>
        };
        Ok(group.into_iter().zip(ordinals).map(open).collect())
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
    let sets =
        ["train.precision=\"f32\"", "optimizer.learning_rate=0.002"].into_iter().chain(sets.iter().copied());
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
    let gpus = Emulated::default();
    let one = Resources { threads: 1, replicas: 1, devices: Devices::Cuda { ordinals: &[0], gpus: &gpus } };
    let two = Resources { replicas: 2, devices: Devices::Cuda { ordinals: &[0, 1], gpus: &gpus }, ..one };
    let expected = on_processor(&[]);
    assert_same("one GPU", &losses(&[], &store().1, one, None).expect("trained"), &expected);
    assert_same("two GPUs", &losses(&[], &store().1, two, None).expect("trained"), &expected);

    let through_dfdx = ["train.lowering=\"off\""];
    let expected = on_processor(&through_dfdx);
    assert_same("dfdx", &losses(&through_dfdx, &store().1, one, None).expect("trained"), &expected);
}

/// What the manifest of the only cell says about its devices.
fn device_of_the_only_cell(store: &Store) -> String {
    let cells = store.cells().expect("a store");
    assert_eq!(cells.len(), 1);
    cells[0].manifest().expect("read").expect("there").device
}

#[test]
fn a_cell_goes_on_on_another_device() {
    if !can_emulate() {
        return;
    }
    let gpus = Emulated::default();
    let gpu = Resources { threads: 1, replicas: 1, devices: Devices::Cuda { ordinals: &[0], gpus: &gpus } };
    let processor = Resources::processor(1);
    let expected = on_processor(&[]);
    for (what, first, second) in [("to a GPU", processor, gpu), ("to the processor", gpu, processor)] {
        let (_home, store) = store();
        let mut all = losses(&[], &store, first, Some(1)).expect("interrupted");
        all.extend(losses(&[], &store, second, None).expect("trained"));
        assert_same(what, &all, &expected);
        let described = [first, second].map(|resources| resources.describe(Precision::F32));
        assert_eq!(device_of_the_only_cell(&store), described.join("; then "));
    }
}

#[test]
fn too_little_memory_is_an_error_that_says_how_much() {
    if !can_emulate() {
        return;
    }
    let gpus = Emulated { memory: Some(1 << 20), ..Emulated::default() };
    let gpu = Resources { threads: 1, replicas: 1, devices: Devices::Cuda { ordinals: &[0], gpus: &gpus } };
    let error = losses(&[], &store().1, gpu, None).expect_err("it has one MiB");
    assert!(error.contains("MiB"), "{error}");
}

#[test]
fn a_cell_whose_gpu_is_lost_goes_on_from_its_checkpoint() {
    if !can_emulate() {
        return;
    }
    let expected = on_processor(&[]);
    let sound = Emulated::default();
    // In the second epoch.
    for (ordinals, lost) in [(&[0][..], 0), (&[0, 1], 1)] {
        let (_home, store) = store();
        let failing = Emulated { lost: Some((lost, LISTS_OF_AN_EPOCH + 2)), ..Emulated::default() };
        let on = |gpus| Resources {
            threads: 1,
            replicas: ordinals.len(),
            devices: Devices::Cuda { ordinals, gpus },
        };
        let error = losses(&[], &store, on(&failing), None).expect_err("it is lost");
        // The one that was lost is named, and not the one that waited for it.
        let said = "failed to run a list: the device is lost; the same command goes on from the cell's last checkpoint";
        assert_eq!(error, format!("emulated:{lost} {said}"));
        let rest = losses(&[], &store, on(&sound), None).expect("trained");
        assert!(!rest.is_empty() && rest.len() < expected.len(), "{} of {}", rest.len(), expected.len());
        assert_same("the rest", &rest, &expected[expected.len() - rest.len()..]);
    }
}

/// Trains four seeds, two at a time, on two GPUs; gives the last loss of each, or why it failed.
fn four_seeds(gpus: &Emulated, jobs: usize) -> Vec<Result<f64, LabError>> {
    let devices = Devices::Cuda { ordinals: &[0, 1], gpus };
    let resources = Resources { threads: 2, replicas: 1, devices };
    let options = RunOptions {
        resources,
        workers: 0,
        jobs,
        checkpoint_every: Duration::from_mins(1),
        interrupted: &AtomicBool::new(false),
        logs: &LogOptions::default(),
    };
    let last = Mutex::new([f64::NAN; 4]);
    let observer = |event: &Event<'_>| {
        if let Event::Epoch { cell, loss, .. } = event {
            last.lock().expect("no panic")[cell.seed as usize - 1] = *loss;
        }
    };
    let mut experiment = experiment(&["seeds=[1, 2, 3, 4]"]);
    let outcomes = run(&mut experiment, Path::new("nowhere"), &store().1, options, &observer).expect("told");
    let last = last.into_inner().expect("no panic");
    let cells = outcomes.into_iter().flat_map(|arm| arm.cells);
    cells.map(|cell| cell.result.map(|_| last[cell.seed as usize - 1])).collect()
}

#[test]
fn what_a_gpu_has_to_tell_is_said_once() {
    if !can_emulate() {
        return;
    }
    let gpus = Emulated { notice: Some("cuda:0 cannot record"), ..Emulated::default() };
    let devices = Devices::Cuda { ordinals: &[0], gpus: &gpus };
    let options = RunOptions {
        resources: Resources { threads: 1, replicas: 1, devices },
        workers: 0,
        jobs: 1,
        checkpoint_every: Duration::from_mins(1),
        interrupted: &AtomicBool::new(false),
        logs: &LogOptions::default(),
    };
    let told = Mutex::new(Vec::new());
    let observer = |event: &Event<'_>| {
        if let Event::Notice(text) = event {
            told.lock().expect("no panic").push(text.clone());
        }
    };
    let (_home, store) = store();
    run(&mut experiment(&["seeds=[1, 2]"]), Path::new("nowhere"), &store, options, &observer)
        .expect("trained");
    assert_eq!(told.into_inner().expect("no panic"), ["arm tiny: cuda:0 cannot record"]);
}

#[test]
fn cells_are_dealt_out_to_all_gpus_and_may_share_one() {
    if !can_emulate() {
        return;
    }
    let gpus = Emulated::default();
    let one_by_one: Vec<f64> = four_seeds(&gpus, 1).into_iter().map(|cell| cell.expect("trained")).collect();
    assert_eq!(gpus.opened.lock().expect("no panic")[..], [0; 4], "one job works on the first GPU");
    // Two at a time on each.
    let gpus = Emulated::default();
    let cells: Vec<f64> = four_seeds(&gpus, 4).into_iter().map(|cell| cell.expect("trained")).collect();
    assert!(cells == one_by_one, "what is trained beside a cell changes nothing of it");
    let mut opened = gpus.opened.into_inner().expect("no panic");
    opened.sort_unstable();
    assert_eq!(opened, [0, 0, 1, 1]);
}

#[test]
fn the_cells_of_other_gpus_go_on_when_one_is_lost() {
    if !can_emulate() {
        return;
    }
    let gpus = Emulated { lost: Some((1, 3)), ..Emulated::default() };
    let cells = four_seeds(&gpus, 2);
    let (done, failed): (Vec<_>, Vec<_>) = cells.into_iter().partition(Result::is_ok);
    assert!(!done.is_empty() && !failed.is_empty(), "{} done, {} failed", done.len(), failed.len());
    for error in failed.into_iter().filter_map(Result::err) {
        assert_eq!(error.class(), FailureClass::Training, "{error}");
        assert!(error.to_string().contains("the device is lost"), "{error}");
    }
}
