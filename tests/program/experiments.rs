//! The experiments that come with the program.

use std::path::Path;

use crate::sandbox::{REPOSITORY, run_in};

#[test]
fn every_experiment_is_valid() {
    let repository = Path::new(REPOSITORY);
    let folder = repository.join("experiments").read_dir().expect("experiments");
    let mut files: Vec<String> = folder
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "toml"))
        .map(|name| format!("experiments/{}", name.display()))
        .collect();
    files.sort();
    assert!(files.len() > 5, "{files:?}");
    let outcome = run_in(repository, &format!("check {}", files.join(" ")));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout.lines().count(), files.len(), "{}", outcome.stdout);
}
