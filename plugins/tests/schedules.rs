//! Schedules against PyTorch: every rate of `tests/golden/schedules.json`.

use balpoe_core::components::{Position, Schedule};
use balpoe_plugins::schedules::{Cosine, Step};
use serde_json::Value;

const GOLDEN: &str = include_str!("../../tests/golden/schedules.json");

#[test]
fn rates_are_those_of_pytorch() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    for (name, case) in golden.as_object().unwrap().iter().filter(|(name, _)| *name != "about") {
        let number = |key: &str| case[key].as_f64().unwrap();
        let schedule: Box<dyn Schedule> = if case["kind"] == "step" {
            let milestones = serde_json::from_value(case["steps"].clone()).unwrap();
            Box::new(Step { milestones, gamma: number("gamma"), warmup: number("warmup") as usize })
        } else {
            Box::new(Cosine::default())
        };
        let rates = case["rates"].as_array().unwrap();
        for (epoch, rate) in rates.iter().enumerate() {
            let position = Position { epoch, epochs: number("epochs") as usize, batch: 0, batches: 1 };
            let (found, expected) = (number("base") * schedule.factor(position), rate.as_f64().unwrap());
            assert!(
                (found - expected).abs() <= 1e-14 * expected,
                "{name}, epoch {epoch}: {found} {expected}"
            );
        }
        assert!(!rates.is_empty());
    }
}
