//! Sweeps: chosen on validation images, nothing trained twice, no figure on the test images for what is not chosen.

use std::fs;
use std::path::PathBuf;

use crate::sandbox::{Sandbox, assert_snapshot};

const SWEEP: &str = "\
[validation]
per_class = 2

[sweep]
grid = { optimizer.learning_rate = [1e-6, 0.02] }

[train]";

/// The miniature with a sweep of two settings, one epoch and two seeds.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.variant("one-seed.toml", "[train]", SWEEP);
    sandbox.write("sweep.toml", "extends = \"one-seed.toml\"\nseeds = [1, 2]\n[train]\nepochs = 1\n");
    sandbox
}

fn cells(sandbox: &Sandbox) -> Vec<PathBuf> {
    let cells = fs::read_dir(sandbox.path("runs/cells")).expect("cells");
    cells.map(|entry| entry.expect("an entry").path()).collect()
}

fn trainings(stderr: &str) -> usize {
    stderr.lines().filter(|line| line.contains(": training, ")).count()
}

#[test]
fn the_best_setting_is_run_and_nothing_is_trained_twice() {
    let sandbox = sandbox();
    let plan = sandbox.run("plan sweep.toml").stdout;
    let first = sandbox.run("experiment sweep.toml");
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert_eq!(
        trainings(&first.stderr),
        3,
        "two trials, of which one is a cell of the chosen setting\n{}",
        first.stderr
    );
    assert_eq!(cells(&sandbox).len(), 3);

    let evaluations = |cell: &PathBuf| {
        let folder = fs::read_dir(cell.join("evaluations")).expect("evaluations");
        let files = folder.map(|entry| entry.expect("an entry").path());
        let figures = files.filter(|file| file.extension().is_some_and(|ending| ending == "json"));
        figures.map(|file| fs::read_to_string(file).expect("a file")).collect::<String>()
    };
    let tested = cells(&sandbox).iter().filter(|cell| evaluations(cell).contains("ensemble/uniform")).count();
    assert_eq!(tested, 2, "only the chosen setting is evaluated on the test images");

    let again = sandbox.run("experiment sweep.toml --jobs 2");
    assert_eq!(again.stdout, first.stdout);
    assert_eq!(trainings(&again.stderr), 0, "{}", again.stderr);
    assert_eq!(sandbox.run("table sweep.toml").stdout, first.stdout);
    let larger = sandbox.run("experiment sweep.toml --set sweep.grid.optimizer.momentum=[0.9]");
    assert_eq!(larger.code, Some(0), "{}", larger.stderr);
    assert_eq!(trainings(&larger.stderr), 0, "momentum 0.9 is the default: {}", larger.stderr);

    let notes: Vec<&str> = first.stdout.lines().filter(|line| line.contains("chosen from")).collect();
    let told: Vec<&str> = first.stderr.lines().filter(|line| !line.contains("epoch 1/1")).collect();
    let planned: Vec<&str> = plan.lines().filter(|line| line.starts_with("# ")).collect();
    let tried: Vec<&str> =
        first.stdout.lines().skip_while(|line| !line.contains("settings that were tried")).collect();
    let text = [planned, told, notes, tried].map(|lines| lines.join("\n")).join("\n\n");
    assert_snapshot("the_best_setting_is_run", &text);
}

#[test]
fn a_trial_that_fails_is_not_chosen() {
    let sandbox = sandbox();
    let command = "experiment sweep.toml --seeds 1 --set sweep.grid.optimizer.learning_rate=[1e30,0.02]";
    let outcome = sandbox.run(command);
    assert!(outcome.stdout.contains("0.02: chosen from 2 settings"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("1 of them did not finish"), "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains(" did not finish\n"),
        "a footnote of the table of trials\n{}",
        outcome.stdout
    );
    let stopped = sandbox.run(&format!("{command} --set on_failure=stop"));
    assert_eq!(stopped.code, Some(5), "{}", stopped.stderr);
    let none = sandbox.run("experiment sweep.toml --seeds 1 --set sweep.grid.optimizer.learning_rate=[1e30]");
    assert_eq!(none.code, Some(5), "{}", none.stderr);
    assert!(none.stdout.contains("no setting of its sweep finished"), "{}", none.stdout);
}
