//! `balpoe experiment --smoke`: every experiment that comes with the program takes a few steps, without its data.

use std::path::Path;

use crate::sandbox::{REPOSITORY, Sandbox, run_in};

/// Names of the experiments; those that train on images of full size take longer and are shared between tests.
fn experiments(chosen: impl Fn(&str) -> bool) -> Vec<String> {
    let folder = Path::new(REPOSITORY).join("experiments").read_dir().expect("experiments");
    let names = folder.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut chosen: Vec<String> = names.filter(|name| name != "README.md" && chosen(name)).collect();
    chosen.sort();
    assert!(!chosen.is_empty());
    chosen
}

fn try_out(names: Vec<String>) {
    for name in names {
        let command = format!("experiment experiments/{name} --smoke --data nowhere");
        let outcome = run_in(Path::new(REPOSITORY), &command);
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
        assert!(outcome.stdout.contains(" (smoke): accuracy"), "{name}: {}", outcome.stdout);
        assert!(!outcome.stdout.contains("failed"), "{name}: {}", outcome.stdout);
    }
}

fn is_large(name: &str) -> bool {
    name.starts_with("imagenet") || name.starts_with("inat")
}

#[test]
fn small_images() {
    try_out(experiments(|name| !is_large(name)));
}

#[test]
fn imagenet_lt() {
    try_out(experiments(|name| name.starts_with("imagenet")));
}

#[test]
fn inaturalist_2018() {
    try_out(experiments(|name| name.starts_with("inat")));
}

#[test]
fn nothing_is_kept() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run("experiment tiny.toml --smoke --threads 1");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("tiny (smoke)"), "{}", outcome.stdout);
    assert!(!sandbox.path("runs").exists(), "the run store was written");
    let refused = sandbox.run("experiment tiny.toml --smoke --out kept");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
}

#[test]
fn a_plan_tells_what_it_will_cost() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run("plan tiny.toml --measure --threads 1");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("# measured here: "), "{}", outcome.stdout);
    let large = "plan experiments/cifar100-lt.toml --data nowhere";
    let outcome = run_in(Path::new(REPOSITORY), large);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("# 200 epochs of 10847 images: 17000 steps of 128"),
        "{}",
        outcome.stdout
    );
}
