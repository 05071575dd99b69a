//! Phases: what is frozen stays, what is new is new, and a phase does what the same setting does elsewhere.

use std::collections::BTreeMap;
use std::fs;

use safetensors::SafeTensors;

use crate::sandbox::{PHASES, Sandbox, assert_snapshot};

/// The bytes of every tensor of the network in a store's only cell.
fn weights(sandbox: &Sandbox, store: &str) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(sandbox.cell(store).join("weights.safetensors")).expect("weights");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

fn finish(sandbox: &Sandbox, arguments: &str) {
    let outcome = sandbox.run(arguments);
    assert_eq!(outcome.code, Some(0), "balpoe {arguments}\n{}", outcome.stderr);
}

#[test]
fn a_frozen_backbone_stays_as_it_was_with_its_statistics() {
    let sandbox = Sandbox::new();
    let phase = "[[phase]]\nafter = 2\nfreeze = [\"backbone\"]\nreinitialise = [\"head\"]\n\n[train]";
    sandbox.variant("frozen.toml", "[train]", phase);
    finish(&sandbox, "experiment tiny.toml --set train.epochs=2 --out before");
    finish(&sandbox, "experiment frozen.toml --out after");
    let (before, after) = (weights(&sandbox, "before"), weights(&sandbox, "after"));
    let changed: Vec<&String> =
        before.iter().filter(|(name, values)| after[*name] != **values).map(|(name, _)| name).collect();
    assert_eq!(changed, ["linears.0.weight", "linears.1.weight"]);
}

#[test]
fn a_frozen_layer_stays_and_the_others_go_on() {
    let sandbox = Sandbox::new();
    sandbox.variant("frozen.toml", "[train]", "[[phase]]\nafter = 2\nfreeze = [\"layer1\"]\n\n[train]");
    finish(&sandbox, "experiment tiny.toml --set train.epochs=2 --out before");
    finish(&sandbox, "experiment frozen.toml --out after");
    let (before, after) = (weights(&sandbox, "before"), weights(&sandbox, "after"));
    for (name, values) in before.iter().filter(|(name, _)| name.ends_with(".weight")) {
        assert_eq!(after[name] == *values, name.starts_with("layer1."), "{name}");
    }
}

/// The class-balanced loss can defer its weights by itself, and a phase can do it from outside.
#[test]
fn deferred_reweighting_is_what_the_objective_means_by_it() {
    let sandbox = Sandbox::new();
    let objective = |more: &str| format!("kind = \"class-balanced\"\nreweight_from = {more}\n");
    let own = "kind = \"balanced-experts\"\ntau = { limits = [0.0, 1.0] }\n";
    sandbox.variant("itself.toml", own, &objective("1"));
    let phase = "\n[[phase]]\nafter = 1\nset = { \"objective.reweight_from\" = 0 }\n";
    sandbox.variant("outside.toml", own, &(objective("9") + phase));
    finish(&sandbox, "experiment itself.toml --out itself");
    finish(&sandbox, "experiment outside.toml --out outside");
    assert!(weights(&sandbox, "itself") == weights(&sandbox, "outside"), "the weights differ");
}

#[test]
fn what_is_shown_of_phases() {
    let sandbox = Sandbox::new();
    sandbox.variant("phases.toml", "[train]", PHASES);
    let plan = sandbox.run("plan phases.toml").stdout;
    let from = plan.find("[train]").expect("a section");
    let to = plan.find("[aggregator]").expect("a section");
    let run = sandbox.run("experiment phases.toml");
    let notes: String = run.stdout.lines().filter(|line| line.contains("after epoch")).collect();
    // A phase is part of what a cell remembers of itself.
    let again = sandbox.run("evaluate tiny --set aggregator.kind=majority-vote");
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_snapshot("what_is_shown_of_phases", &format!("{}{}\n{notes}", &plan[from..to], run.stderr));
}
