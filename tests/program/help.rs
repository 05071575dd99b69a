//! What the program says about itself.

use std::path::Path;

use crate::sandbox::{REPOSITORY, Sandbox, assert_snapshot, run_in};

#[test]
fn every_command_explains_itself() {
    let sandbox = Sandbox::new();
    let mut text = String::new();
    for command in [
        "",
        "experiment ",
        "plan ",
        "check ",
        "list ",
        "describe ",
        "schema ",
        "data ",
        "data fetch ",
        "data verify ",
        "data show ",
        "data pack ",
        "table ",
        "new plugin ",
        "runs ",
        "runs list ",
        "runs show ",
        "runs remove ",
        "runs export ",
        "runs import ",
        "doctor ",
        "bench ",
        "bench train ",
        "bench eval ",
        "bench ops ",
        "compare ",
    ] {
        text += &success(&sandbox, &format!("{command}--help"));
    }
    assert_snapshot("help", &text);
}

#[test]
fn components_are_listed() {
    let sandbox = Sandbox::new();
    assert_snapshot("list", &(success(&sandbox, "list") + &success(&sandbox, "list mixing")));
}

#[test]
fn a_component_of_each_kind_is_described() {
    let sandbox = Sandbox::new();
    let mut text = String::new();
    for component in [
        "dataset/cifar100",
        "sampler/class-balanced",
        "augmentation/pad-crop",
        "backbone/resnet32",
        "head/cosine",
        "objective/balanced-experts",
        "mixing/mixup",
        "optimizer/sgd",
        "schedule/step",
        "calibrator/temperature",
        "aggregator/mean-logits",
    ] {
        text += &success(&sandbox, &format!("describe {component}"));
    }
    assert_snapshot("describe", &text);
}

#[test]
fn a_component_is_described_in_every_format() {
    let sandbox = Sandbox::new();
    let text = success(&sandbox, "describe calibrator/temperature --format markdown")
        + &success(&sandbox, "describe calibrator/temperature --format json")
        + &sandbox.complaint("describe temperature")
        + &sandbox.complaint("describe calibratr")
        + &sandbox.complaint("describe")
        + &sandbox.complaint("describe mixing/mixup --all")
        + &sandbox.complaint("describe mixing/mixup --format yaml");
    assert_snapshot("describe_formats", &text);
}

#[test]
fn a_plan_shows_settings_with_their_origins_network_and_cells() {
    let sandbox = Sandbox::new();
    sandbox.write("short.toml", "extends = \"tiny.toml\"\nseeds = [1, 2]\n[train]\nepochs = 2\n");
    assert_snapshot("plan", &success(&sandbox, "plan short.toml --set head.scale=20.0"));
}

#[test]
fn a_plan_needs_no_data() {
    let plan = run_in(Path::new(REPOSITORY), "plan experiments/cifar100-lt-short.toml --data nowhere");
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    assert_snapshot("plan_without_data", &plan.stdout);
}

#[test]
fn a_plan_for_gpus_needs_none() {
    let plan = "plan experiments/cifar100-lt-short.toml --data nowhere --device cuda";
    let outcome = run_in(Path::new(REPOSITORY), plan);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let table = outcome.stdout.find("# on GPUs").map(|start| &outcome.stdout[start..]);
    assert_snapshot("plan_for_gpus", &format!("$ balpoe {plan}\n…\n{}", table.unwrap_or_default()));
}

fn success(sandbox: &Sandbox, arguments: &str) -> String {
    let outcome = sandbox.run(arguments);
    assert_eq!(outcome.code, Some(0), "balpoe {arguments}:\n{}", outcome.stderr);
    assert_eq!(outcome.stderr, "", "balpoe {arguments}");
    format!("$ balpoe {arguments}\n{}\n", outcome.stdout)
}
