//! Measurements say what was measured.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

#[test]
fn a_measurement_names_its_network_its_batch_and_its_precision() {
    let sandbox = Sandbox::new();
    for (network, size) in [("resnet32", 32), ("resnet50", 224)] {
        let command = format!("bench eval --network {network} --experts 1 --batch 2 --repeats 1 --json");
        let outcome = sandbox.run(&command);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let report: Value = serde_json::from_str(&outcome.stdout).expect("one object");
        let expected = [
            ("network", json!(network)),
            ("image", json!([size, size])),
            ("experts", json!(1)),
            ("batch", json!(2)),
            // A processor has one, whatever is asked of GPUs.
            ("precision", json!("f32")),
        ];
        for (key, value) in expected {
            assert_eq!(report[key], value, "{key}");
        }
        assert!(report["images_per_s_median"].as_f64().is_some_and(|speed| speed > 0.0), "{report}");
    }
}
