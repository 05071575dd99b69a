//! A part is missing, and the others are not in order.

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
    Schedule "flat" => Flat,
    example: r#"kind = "flat""#,
    summary: "no change",
}

fn main() {}
