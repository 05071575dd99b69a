//! An epoch on real images.

#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::fs;

use serde_json::Value as Json;

use crate::sandbox::{REPOSITORY, Sandbox};

/// 84 batches of 128 images and one of 95: the whole long-tailed training set, by one thread and by two.
#[test]
#[ignore = "two epochs of CIFAR-100-LT: a minute on two quiet cores"]
fn weights_after_an_epoch_of_real_images_do_not_depend_on_threads() {
    let Some(data) = std::env::var_os("BALPOE_DATA") else {
        println!("skipped: BALPOE_DATA is not set");
        return;
    };
    let sandbox = Sandbox::new();
    let weights = |threads: usize| {
        let store = format!("threads{threads}");
        let command = format!(
            "experiment {REPOSITORY}/experiments/cifar100-lt.toml --seeds 1 --set train.epochs=1 \
             --set evaluate.distributions=[\"uniform\"] --threads {threads} --data {} --out {store}",
            data.display()
        );
        let output = sandbox.start(&command).wait_with_output().expect("ended");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let cell = sandbox.cell(&store);
        let manifest = fs::read(cell.join("manifest.json")).expect("manifest.json");
        let manifest: Json = serde_json::from_slice(&manifest).expect("JSON");
        assert_eq!(manifest["images"], 84 * 128 + 95);
        fs::read(cell.join("weights.safetensors")).expect("weights.safetensors")
    };
    assert!(weights(1) == weights(2), "weights differ between one thread and two");
}
