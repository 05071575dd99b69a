//! Every image once an epoch.

use balpoe_core::components::Sampler;
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every image once, in a uniformly random order: classes are seen as often as they have images.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceBalanced {}

impl Component for InstanceBalanced {}

impl Sampler for InstanceBalanced {
    fn epoch(&self, labels: &[u32], _: &[usize], stream: &mut Stream) -> Vec<u32> {
        stream.permutation(labels.len())
    }
}

balpoe_core::register! {
    Sampler "instance-balanced" => InstanceBalanced,
    summary: "every image once an epoch, in random order",
    paper: "",
    example: r#"kind = "instance-balanced""#,
}
