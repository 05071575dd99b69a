//! Experiment files with one fault each, in `tests/broken`: the program says what is wrong, where, and what to do.
//!
//! The first line of a file says where the fault is, `# at LINE:COLUMN: …` or `# at FILE:LINE:COLUMN: …`, independently of the
//! transcripts. Files without such a line are extended by others.

use std::fs;
use std::path::Path;

use crate::sandbox::{REPOSITORY, assert_snapshot, run_in};

/// The folder of a group, and its faulty files with the places of their faults, `FILE:LINE:COLUMN`.
fn faults(group: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for entry in group.read_dir().expect("a folder of faulty files") {
        let file = entry.expect("an entry").file_name().into_string().expect("a plain name");
        let text = fs::read_to_string(group.join(&file)).expect("a text");
        let Some(place) = text.strip_prefix("# at ").and_then(|rest| rest.split(": ").next()) else {
            continue;
        };
        let place =
            if place.matches(':').count() == 1 { format!("{file}:{place}") } else { place.to_owned() };
        files.push((file, place));
    }
    files.sort();
    files
}

/// What the program says, which must be a complaint about this place.
fn complaint(folder: &Path, arguments: &str, place: &str) -> String {
    let outcome = run_in(folder, arguments);
    assert_eq!(outcome.code, Some(2), "balpoe {arguments}\n{}{}", outcome.stdout, outcome.stderr);
    assert_eq!(outcome.stdout, "", "balpoe {arguments}");
    assert!(
        outcome.stderr.contains(&format!("─[{place}]")),
        "balpoe {arguments}: expected {place} in\n{}",
        outcome.stderr
    );
    format!("$ balpoe {arguments}\n{}\n", outcome.stderr)
}

#[test]
fn every_fault_is_shown_where_it_is() {
    let root = Path::new(REPOSITORY).join("tests/broken");
    let whole = run_in(&root, "check whole.toml");
    assert_eq!(whole.code, Some(0), "the file that all others extend:\n{}", whole.stderr);
    let mut groups: Vec<_> = root
        .read_dir()
        .expect("tests/broken")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    groups.sort();
    let mut count = 0;
    for group in groups {
        let faults = faults(&group);
        count += faults.len();
        let text: String =
            faults.iter().map(|(file, place)| complaint(&group, &format!("check {file}"), place)).collect();
        let name = group.file_name().expect("a name").to_string_lossy();
        assert_snapshot(&format!("broken_{name}"), &text);
    }
    assert!(count > 50, "only {count} files were found");
}

#[test]
fn every_fault_of_the_command_line_is_shown_where_it_is() {
    let root = Path::new(REPOSITORY).join("tests/broken");
    let text: String = [
        ("--set train.epochs", 7),
        ("--set train.epochs=", 20),
        ("--set train.epochs=[", 21),
        ("--set train.epochs=three", 20),
        ("--set train.epoch=2", 7),
        ("--set trian.epochs=2", 7),
        ("--set .epochs=2", 7),
        ("--set extends=other.toml", 7),
        ("--set optimizer.learning_rate=-0.1", 31),
        ("--set head.kind=cosin", 17),
        ("--set head={kind=\"linear\",scale=30}", 27),
        ("--set mixing=[{kind=\"mixup\"},{kind=\"mixpu\"}]", 36),
        ("--set mixing.alpha=0.2", 7),
        ("--set schedule.milestones=[3,2]", 27),
        ("--set objective.tau=[0,1,2]", 21),
        ("--set evaluate.distributions=uniform", 30),
        ("--set seeds=[1,1]", 16),
        ("--unset train.epoch", 9),
        ("--unset head.kind.name", 9),
    ]
    .iter()
    .map(|(flag, column)| {
        complaint(&root, &format!("plan whole.toml --data nowhere {flag}"), &format!("{flag}:1:{column}"))
    })
    .collect();
    assert_snapshot("broken_command_line", &text);
}

#[test]
fn unreadable_files_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("latin.toml"), b"name = \"caf\xe9\"\n").expect("written");
    fs::write(folder.path().join("experiment.toml"), "").expect("written");
    let text: String =
        ["latin.toml", ".", "experimnet.toml", "nothing-like-it.toml", "experiment.toml/x.toml"]
            .iter()
            .map(|file| {
                let outcome = run_in(folder.path(), &format!("check {file}"));
                assert_eq!(outcome.code, Some(2), "{file}");
                format!("$ balpoe check {file}\n{}\n", outcome.stderr)
            })
            .collect();
    assert_snapshot("broken_unreadable", &text);
}
