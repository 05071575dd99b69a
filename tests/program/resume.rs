//! What is done is done once, and an interruption leaves no trace in it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use safetensors::SafeTensors;

use crate::sandbox::{PHASES, Sandbox};

/// What a finished cell keeps, apart from times.
const KEPT: [&str; 3] = ["weights.safetensors", "predictions-test.safetensors", "log.jsonl"];

/// How far a logit of the engine may be from one of dfdx; logits lie within 30. Measured 2e-5; twice the learning rate moves it by 2.5.
const LOGITS: f32 = 0.1;

/// Compares what two stores keep of their only cells, bit by bit.
fn assert_same(sandbox: &Sandbox, store: &str, other: &str) {
    for file in KEPT {
        let [first, second] = [store, other].map(|s| fs::read(sandbox.cell(s).join(file)).expect(file));
        assert!(first == second, "{file} differs between {store} and {other}");
    }
}

fn finish(sandbox: &Sandbox, arguments: &str) -> String {
    let outcome = sandbox.run(arguments);
    assert_eq!(outcome.code, Some(0), "balpoe {arguments}\n{}", outcome.stderr);
    outcome.stdout
}

/// Runs until this step is saved, and gives the program that still runs then.
fn run_until(sandbox: &Sandbox, file: &str, store: &str, step: u32) -> Child {
    run_until_with(sandbox, file, store, step, "")
}

/// The same with more options, which begin with a blank.
fn run_until_with(sandbox: &Sandbox, file: &str, store: &str, step: u32, more: &str) -> Child {
    let command = format!("experiment {file} --out {store} --checkpoint-every 0{more}");
    let mut program = sandbox.start(&command);
    sandbox.wait_for_step(store, step, &mut program);
    program
}

/// Runs a file of three epochs of five batches, killed again and again on the way, and compares with a run that was not.
fn killed_again_and_again(sandbox: &Sandbox, file: &str, stores: &[(&str, [(u32, u64); 3])]) {
    let undisturbed = finish(sandbox, &format!("experiment {file} --out undisturbed"));
    for (store, moments) in stores {
        let mut killed = 0;
        for (step, milliseconds) in moments {
            let mut program = run_until(sandbox, file, store, *step);
            // Somewhere in the work of a step, or in the writing of a checkpoint.
            std::thread::sleep(Duration::from_millis(*milliseconds));
            program.kill().expect("killed");
            killed += u32::from(program.wait().expect("ended").code().is_none());
        }
        assert!(killed > 0, "the program always ended before it could be killed");
        assert_eq!(finish(sandbox, &format!("experiment {file} --out {store}")), undisturbed);
        assert_same(sandbox, "undisturbed", store);
        assert!(!sandbox.cell(store).join("checkpoints").exists(), "a finished cell needs no checkpoints");
    }
}

#[test]
fn killed_at_any_moment_it_ends_as_if_undisturbed() {
    let sandbox = Sandbox::new();
    let stores = [("a", [(1, 0), (4, 3), (9, 1)]), ("b", [(2, 5), (5, 0), (14, 2)])];
    killed_again_and_again(&sandbox, "tiny.toml", &stores);
}

/// The same where every epoch is trained otherwise: kills fall before, on and after both boundaries.
#[test]
fn killed_on_the_way_through_phases_it_ends_as_if_undisturbed() {
    let sandbox = Sandbox::new();
    sandbox.variant("phases.toml", "[train]", PHASES);
    let stores = [("a", [(4, 1), (5, 0), (6, 2)]), ("b", [(5, 4), (10, 0), (11, 1)])];
    killed_again_and_again(&sandbox, "phases.toml", &stores);
}

#[cfg(unix)]
#[test]
fn asked_to_stop_it_saves_and_goes_on_later() {
    let sandbox = Sandbox::new();
    finish(&sandbox, "experiment tiny.toml --out undisturbed");
    let program = run_until(&sandbox, "tiny.toml", "stopped", 2);
    let asked = Command::new("kill").args(["-TERM", &program.id().to_string()]).status().expect("kill");
    assert!(asked.success());
    let output = program.wait_with_output().expect("ended");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{complaint}");
    assert!(
        complaint.contains("interrupted; the state is saved, and the same command goes on"),
        "{complaint}"
    );
    finish(&sandbox, "experiment tiny.toml --out stopped");
    assert_same(&sandbox, "undisturbed", "stopped");
}

#[test]
fn threads_and_workers_change_nothing() {
    let sandbox = Sandbox::new();
    let first = finish(&sandbox, "experiment tiny.toml --threads 1 --workers 0 --out a");
    for (store, threads, workers) in [("b", 2, 1), ("c", 3, 3)] {
        let command = format!("experiment tiny.toml --threads {threads} --workers {workers} --out {store}");
        assert_eq!(finish(&sandbox, &command), first);
        assert_same(&sandbox, "a", store);
    }
}

#[test]
fn replicas_resume_exactly_and_train_the_same_network() {
    let sandbox = Sandbox::new();
    let undisturbed = finish(&sandbox, "experiment tiny.toml --replicas 2 --out undisturbed");
    let mut program = run_until_with(&sandbox, "tiny.toml", "killed", 4, " --replicas 2");
    program.kill().expect("killed");
    program.wait().expect("ended");
    // Neither threads nor the number of sittings matter; the number of replicas is free as well, but for rounding.
    assert_eq!(finish(&sandbox, "experiment tiny.toml --replicas 2 --threads 3 --out killed"), undisturbed);
    assert_same(&sandbox, "undisturbed", "killed");

    let command = "experiment tiny.toml --set train.epochs=1 --set optimizer.learning_rate=0.002";
    finish(&sandbox, &format!("{command} --out one"));
    finish(&sandbox, &format!("{command} --replicas 3 --out three"));
    let [one, three] = ["one", "three"].map(|store| logits(&sandbox.cell(store)));
    let largest = one.iter().zip(&three).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest < LOGITS, "logits differ by up to {largest}");
    let [one, three] = ["one", "three"].map(|store| sandbox.cell(store).file_name().map(ToOwned::to_owned));
    assert_eq!(one, three, "replicas are no part of a cell's key");
}

#[test]
fn only_what_is_missing_is_done() {
    let sandbox = Sandbox::new();
    let first = finish(&sandbox, "experiment tiny.toml");
    let weights = sandbox.cell("runs").join("weights.safetensors");
    let written = |path: &Path| path.metadata().and_then(|m| m.modified()).expect("a time");
    let before = written(&weights);

    let again = sandbox.run("experiment tiny.toml");
    assert_eq!(again.stdout, first);
    assert_eq!(again.stderr, "[1/1] tiny seed 1: done before\n");
    assert_eq!(finish(&sandbox, "table tiny.toml"), first);

    let changed = sandbox.run("experiment tiny.toml --set aggregator.kind=majority-vote");
    assert_eq!(changed.code, Some(0), "{}", changed.stderr);
    assert_ne!(changed.stdout, first, "another aggregator gives other figures");
    assert!(!changed.stderr.contains("training"), "{}", changed.stderr);
    assert!(!changed.stderr.contains("predicting"), "{}", changed.stderr);
    assert_eq!(written(&weights), before);

    let more = sandbox.run("experiment tiny.toml --seeds 1,2");
    let lines: Vec<&str> = more.stderr.lines().filter(|line| !line.starts_with("device: ")).collect();
    assert!(
        lines.join("\n").starts_with("[1/2] tiny seed 1: done before\n[2/2] tiny seed 2: training"),
        "{}",
        more.stderr
    );
}

/// One epoch at a low rate. The two forms of heads and losses round differently, and a network as small as this amplifies that:
/// where rounding decides about a single rectifier, some gradients change by a percent. Two weights that differ by 2e-7 part as fast.
#[test]
fn without_lowering_the_same_comes_out() {
    let sandbox = Sandbox::new();
    let command = "experiment tiny.toml --set train.epochs=1 --set optimizer.learning_rate=0.002";
    finish(&sandbox, &format!("{command} --out engine"));
    finish(&sandbox, &format!("{command} --out dfdx --set train.lowering=off"));
    let [engine, dfdx] = ["engine", "dfdx"].map(|store| logits(&sandbox.cell(store)));
    assert_eq!(engine.len(), dfdx.len());
    let differences = engine.iter().zip(&dfdx).map(|(a, b)| (a - b).abs());
    let largest = differences.fold(0.0, f32::max);
    assert!(largest < LOGITS, "logits differ by up to {largest}");
    assert!(largest > 0.0, "lowering cannot have been off");
}

/// All logits on the test images.
fn logits(cell: &Path) -> Vec<f32> {
    let bytes = fs::read(cell.join("predictions-test.safetensors")).expect("predictions");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut all = Vec::new();
    for expert in 0..2 {
        let view = file.tensor(&format!("logits.{expert}")).expect("an expert");
        all.extend(view.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)));
    }
    all
}
