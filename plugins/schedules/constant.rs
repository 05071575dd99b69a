//! A learning rate that never changes.

use balpoe_core::components::{Position, Schedule};
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The optimizer's learning rate throughout.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Constant {}

impl Component for Constant {}

impl Schedule for Constant {
    fn factor(&self, _: Position) -> f64 {
        1.0
    }
}

register! {
    Schedule "constant" => Constant,
    summary: "the optimizer's learning rate throughout",
    paper: "",
    example: r#"
kind = "constant"
"#,
}
