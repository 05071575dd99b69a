//! `balpoe weights`: out of a cell under PyTorch's names, and back in as a cell of another store.

use std::fs;

use safetensors::SafeTensors;

use crate::sandbox::{Sandbox, assert_snapshot};

#[test]
fn weights_leave_a_cell_and_come_back_as_another() {
    let sandbox = Sandbox::new();
    let trained = sandbox.run("experiment tiny.toml --format json");
    assert_eq!(trained.code, Some(0), "{}", trained.stderr);
    let cell = sandbox.cell("runs");
    let key = cell.file_name().expect("a key").to_string_lossy().into_owned();
    let exported = sandbox.run(&format!("weights export {key} --to theirs.safetensors"));
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);

    let bytes = fs::read(sandbox.path("theirs.safetensors")).expect("exported");
    let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
    assert_eq!(tensors.tensor("backbone.linears.1.weight").expect("a head").shape(), [32, 4]);
    // 3 epochs of ceil(77 / 16) batches: what PyTorch's batch norms would have counted.
    let images = manifest(&cell)["images"].as_u64().expect("a number");
    let counted = tensors.tensor("backbone.layer3s.0.2.bn2.num_batches_tracked").expect("a counter");
    let counted = i64::from_le_bytes(counted.data().try_into().expect("eight bytes"));
    assert_eq!(counted as u64, 3 * images.div_ceil(16));

    let imported = sandbox
        .run("weights import theirs.safetensors --experiment tiny.toml --out others --format json --seed 7");
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    let other = sandbox.cell("others");
    let file = |folder: &std::path::Path, name: &str| fs::read(folder.join(name)).expect("a file");
    for name in ["weights.safetensors", "predictions-test.safetensors"] {
        assert!(file(&cell, name) == file(&other, name), "{name} differs");
    }
    assert_ne!(cell.file_name(), other.file_name(), "imported weights are not taken for trained ones");

    // The cell can be evaluated like any other, and is never trained.
    let again = other.file_name().expect("a key").to_string_lossy().into_owned();
    let evaluated =
        sandbox.run(&format!("evaluate {again} --out others --set aggregator.kind=majority-vote"));
    assert_eq!(evaluated.code, Some(0), "{}", evaluated.stderr);
    assert!(evaluated.stdout.contains("weights trained elsewhere"), "{}", evaluated.stdout);

    let mut complaints = sandbox.complaint("experiment tiny.toml --set train.imported=\"0123\" --out empty");
    for command in [
        "weights export 000000 --to nothing.safetensors",
        "weights import theirs.safetensors --experiment tiny.toml --out more --set backbone.experts=3",
        "weights import theirs.safetensors --experiment tiny.toml --out more --arm tiny2",
        "weights import tiny.toml --experiment tiny.toml --out more",
    ] {
        complaints.push_str(&sandbox.complaint(command));
    }
    assert_snapshot("weights_that_do_not_fit", &complaints);
}

fn manifest(cell: &std::path::Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(cell.join("manifest.json")).expect("a manifest")).expect("JSON")
}
