//! The experiments that come with the program.

use std::path::Path;

use crate::sandbox::{REPOSITORY, run_in};

#[test]
fn every_experiment_is_valid() {
    let repository = Path::new(REPOSITORY);
    let folder = repository.join("experiments").read_dir().expect("experiments");
    let mut files: Vec<String> = folder
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .filter(|name| name.ends_with(".toml"))
        .map(|name| format!("experiments/{name}"))
        .collect();
    files.sort();
    assert!(files.len() > 5, "{files:?}");
    let outcome = run_in(repository, &format!("check {}", files.join(" ")));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout.lines().count(), files.len(), "{}", outcome.stdout);
}
