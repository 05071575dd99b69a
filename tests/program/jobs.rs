//! Cells side by side.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::sandbox::{Sandbox, newest_checkpoint};

/// Two arms that share their cells, and one that does not.
const ARMS: &str = "\
extends = \"tiny.toml\"
seeds = [1, 2]

[[arm]]
name = \"mean\"

[[arm]]
name = \"vote\"
set = { \"aggregator.kind\" = \"majority-vote\" }

[[arm]]
name = \"unmixed\"
set = { mixing = [] }
";

#[test]
fn side_by_side_the_same_comes_out() {
    let sandbox = Sandbox::new();
    sandbox.write("arms.toml", ARMS);
    let alone = sandbox.run("experiment arms.toml --set train.epochs=1 --out alone");
    let together =
        sandbox.run("experiment arms.toml --set train.epochs=1 --out together --jobs 3 --threads 4");
    assert_eq!(together.code, Some(0), "{}", together.stderr);
    assert_eq!(together.stdout, alone.stdout);
    let trainings = together.stderr.lines().filter(|line| line.contains(": training, ")).count();
    assert_eq!(trainings, 4, "{}", together.stderr);
    for line in together.stderr.lines() {
        assert!(
            line.starts_with('[') || line.starts_with("device: "),
            "a line that does not say which cell it is about: {line}"
        );
    }
}

#[test]
fn after_a_failure_nothing_begins_if_the_experiment_says_so() {
    let sandbox = Sandbox::new();
    let first = "[[arm]]\nname = \"absurd\"\nset = { \"optimizer.learning_rate\" = 1e30 }\n";
    sandbox.write("stop.toml", &ARMS.replacen("[[arm]]", &format!("{first}\n[[arm]]"), 1));
    let outcome = sandbox.run("experiment stop.toml --set train.epochs=1 --set on_failure=stop");
    assert_eq!(outcome.code, Some(5));
    assert_eq!(fs::read_dir(sandbox.path("runs/cells")).expect("cells").count(), 1, "{}", outcome.stderr);
}

#[cfg(unix)]
#[test]
fn asked_to_stop_all_cells_are_saved() {
    let sandbox = Sandbox::new();
    sandbox.write("arms.toml", ARMS);
    let undisturbed = sandbox.run("experiment arms.toml --set train.epochs=12 --out undisturbed");
    let program = sandbox
        .start("experiment arms.toml --set train.epochs=12 --jobs 2 --checkpoint-every 0 --out stopped");
    let begun = || {
        let cells = fs::read_dir(sandbox.path("stopped/cells")).into_iter().flatten().flatten();
        // An epoch has five steps.
        cells.filter(|cell| newest_checkpoint(&cell.path()) > Some(5)).count()
    };
    let start = Instant::now();
    while begun() < 2 && start.elapsed() < Duration::from_mins(2) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let asked = Command::new("kill").args(["-TERM", &program.id().to_string()]).status().expect("kill");
    assert!(asked.success());
    let output = program.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let finished = sandbox.run("experiment arms.toml --set train.epochs=12 --jobs 2 --out stopped");
    assert_eq!(finished.stdout, undisturbed.stdout);
    let resumed = finished.stderr.lines().filter(|line| line.contains("going on after epoch")).count();
    assert!(resumed > 0, "{}", finished.stderr);
}
