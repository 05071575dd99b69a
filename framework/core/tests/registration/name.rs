//! The name is not one that an experiment file would have.

use balpoe_core::components::{Position, Schedule};
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No change.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Flat {}

impl Component for Flat {}

impl Schedule for Flat {
    fn factor(&self, _: Position) -> f64 {
        1.0
    }
}

register! {
    Schedule "Flat_Rate" => Flat,
    summary: "no change",
    paper: "",
    example: r#"kind = "Flat_Rate""#,
}

fn main() {}
