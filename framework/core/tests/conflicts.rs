//! Two components of one kind and name.

use balpoe_core::components::{Position, Schedule};
use balpoe_core::register;
use balpoe_core::registry::{Component, conflicts};
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

const FIRST: u32 = line!() + 2;

register! {
    Schedule "flat" => Flat,
    summary: "no change",
    paper: "",
    example: r#"kind = "flat""#,
}

const SECOND: u32 = line!() + 2;

register! {
    Schedule "flat" => Flat,
    summary: "no change again",
    paper: "",
    example: r#"kind = "flat""#,
}

#[test]
fn both_places_are_shown() {
    let file = file!();
    let expected = format!(
        "two components are called schedule/flat: {file}:{FIRST} and {file}:{SECOND}; rename one of them"
    );
    assert_eq!(conflicts(), [expected]);
}
