//! Crates of one's own. That those of every kind compile, comply and run is shown by `tests/new_plugins.sh`.

use std::fs;
use std::path::Path;

use crate::sandbox::{REPOSITORY, Sandbox, assert_snapshot, run_in};

#[test]
fn a_crate_says_what_is_in_it_and_what_to_do_next() {
    let sandbox = Sandbox::new();
    let made = sandbox.run("new plugin sharp-corners --kind calibrator --framework 0.1.0");
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let manifest = fs::read_to_string(sandbox.path("sharp-corners/Cargo.toml")).expect("a manifest");
    let experiment = sandbox.path("sharp-corners/experiments/sharp-corners.toml");
    let experiment = fs::read_to_string(experiment).expect("an experiment");
    assert_snapshot("new_plugin", &format!("{}\n{manifest}\n{experiment}", made.stdout));
}

#[test]
fn no_place_holder_is_left() {
    let sandbox = Sandbox::new();
    for kind in balpoe::core::registry::Kind::ALL {
        let made = sandbox.run(&format!("new plugin sharp-{kind} --kind {kind}"));
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        let crate_ = sandbox.path(&format!("sharp-{kind}"));
        let files =
            ["Cargo.toml", "README.md", "src/lib.rs", "src/main.rs", "tests/compliance.rs"].map(String::from);
        let own = [format!("src/sharp_{kind}.rs"), format!("experiments/sharp-{kind}.toml")];
        for file in files.iter().chain(&own) {
            let text = fs::read_to_string(crate_.join(file)).expect("a text");
            for left in ["my-plugin", "my_plugin", "MyPlugin", "{kind}", "{question}", "dependencies}"] {
                assert!(!text.contains(left), "{kind}: `{left}` is left in {file}");
            }
        }
    }
}

#[test]
fn what_cannot_be_made_is_explained() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("there")).expect("a folder");
    let mut text = String::new();
    for arguments in [
        "MyCalibrator --kind calibrator",
        "2fast --kind calibrator",
        "match --kind calibrator",
        "matrix --kind calibrator",
        "temperature --kind calibrator",
        "mine --kind calibrater",
        "mine --kind calibrator --framework nowhere",
        "there --kind calibrator",
        "mine",
    ] {
        text += &sandbox.complaint(&format!("new plugin {arguments}"));
    }
    // Without the program that links it, a plugin's name means nothing.
    assert_eq!(sandbox.run("new plugin temprature --kind calibrator").code, Some(0));
    text += &sandbox.complaint("check temprature/experiments/temprature.toml");
    assert_snapshot("plugins_that_cannot_be_made", &text);
}

#[test]
fn a_crate_inside_the_checkout_is_refused() {
    let made = run_in(&Path::new(REPOSITORY).join("docs"), "new plugin mine --kind head");
    assert_eq!(made.code, Some(2));
    assert!(made.stderr.contains("inside the checkout"), "{}", made.stderr);
}

#[test]
fn the_book_shows_what_is_made() {
    let read = |file: String| fs::read_to_string(Path::new(REPOSITORY).join(file)).expect("a text");
    let book = read("docs/src/plugins.md".to_owned());
    let mut blocks = 0;
    for block in book.split("```rust,ignore,template-").skip(1) {
        let (kind, text) = block.split_once('\n').expect("a fence");
        let (text, _) = text.split_once("```").expect("an end of the fence");
        let template = read(format!("framework/cli/templates/plugin/{kind}.rs"));
        assert!(template.contains(text), "the book's {kind} is not the one that is made:\n{text}");
        blocks += 1;
    }
    assert_eq!(blocks, 9, "every kind but those with sections of their own");
}
