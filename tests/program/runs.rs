//! `balpoe runs` on the cell of the miniature.

use std::fs;

use crate::sandbox::{Sandbox, assert_snapshot};

/// What a command prints, on both outputs.
fn transcript(sandbox: &Sandbox, arguments: &str) -> String {
    let outcome = sandbox.run(arguments);
    let code = outcome.code.unwrap_or(-1);
    let code = if code == 0 { String::new() } else { format!("[exit code {code}]\n") };
    format!("$ balpoe {arguments}\n{}{}{code}\n", outcome.stdout, outcome.stderr)
}

#[test]
fn cells_are_listed_shown_exported_imported_and_removed() {
    let sandbox = Sandbox::new();
    let mut text = transcript(&sandbox, "runs");
    let trained = sandbox.run("experiment tiny.toml");
    assert_eq!(trained.code, Some(0), "{}", trained.stderr);
    for arguments in [
        "runs",
        "runs show tiny/1",
        "runs export tiny/1 --to cell.zip",
        "runs import cell.zip --out other",
        "runs list --out other",
        "runs import cell.zip --out other",
        "runs export tiny/1 --to cell.zip --with weights,predictions",
        "runs export tiny/1 --to archives --with weights,predictions",
        "runs import archives --out other",
        "runs list --out other",
        "runs remove tiny --out other",
        "runs remove tiny --yes --out other",
        "runs remove tiny --yes --out other",
        "runs show tiny/2",
    ] {
        text += &transcript(&sandbox, arguments);
    }
    assert_snapshot("runs", &text);

    let here = sandbox.run("table tiny.toml").stdout;
    assert_eq!(sandbox.run("runs import cell.zip --out other").code, Some(0));
    let there = sandbox.run("experiment tiny.toml --out other");
    assert_eq!((there.stdout, there.stderr.as_str()), (here, "[1/1] tiny seed 1: done before\n"));
    let readme = fs::read_to_string(sandbox.cell("other").join("README.md")).expect("a description");
    assert!(sandbox.run("runs show tiny --out other").stdout.ends_with(&readme), "{readme}");
}

#[test]
fn archives_that_are_damaged_or_contradict_the_store() {
    let sandbox = Sandbox::new();
    let trained = sandbox.run("experiment tiny.toml --set train.epochs=1");
    assert_eq!(trained.code, Some(0), "{}", trained.stderr);
    assert_eq!(sandbox.run("runs export tiny --to cell.zip").code, Some(0));
    let archive = fs::read(sandbox.path("cell.zip")).expect("an archive");

    let mut text = String::new();
    let half = &archive[..archive.len() / 2];
    fs::write(sandbox.path("half.zip"), half).expect("written");
    let mut flipped = archive.clone();
    flipped[archive.len() / 2] ^= 1;
    fs::write(sandbox.path("flipped.zip"), flipped).expect("written");
    for name in ["no-such.zip", "half.zip"] {
        text += &sandbox.complaint(&format!("runs import {name} --out other"));
    }
    // Which file is hit, and how that shows, depends on the figures.
    let damaged = sandbox.complaint("runs import flipped.zip --out other");
    assert!(damaged.contains("copy or export it again"), "{damaged}");
    assert!(damaged.contains("[exit code 3]"), "{damaged}");
    fs::create_dir(sandbox.path("empty")).expect("made");
    text += &sandbox.complaint("runs import empty --out other");
    assert!(!sandbox.path("other/cells").read_dir().expect("a store").any(|_| true), "nothing is written");

    // The same cell, trained on another machine with another result.
    let evaluations = sandbox.cell("runs").join("evaluations").read_dir().expect("evaluations");
    let mut figures = evaluations.map(|entry| entry.expect("an entry").path());
    let figures = figures.find(|path| path.extension().is_some_and(|e| e == "json")).expect("figures");
    let changed = fs::read_to_string(&figures).expect("text").replace("expert0/", "expert7/");
    fs::write(&figures, &changed).expect("written");
    text += &sandbox.complaint("runs import cell.zip");
    assert_eq!(fs::read_to_string(&figures).expect("text"), changed, "nothing is overwritten");
    text += &sandbox.complaint("runs export tiny --to cell.zip");
    assert_snapshot("archives_that_cannot_be_imported", &text);
}
