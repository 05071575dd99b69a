//! Between instance-balanced and class-balanced.

use balpoe_core::components::Sampler;
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_class;

/// For each draw a class with probability proportional to the square root of its number of images, then the next image of that
/// class's shuffled list. An epoch has as many draws as there are images.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SquareRoot {}

impl Component for SquareRoot {}

impl Sampler for SquareRoot {
    fn epoch(&self, labels: &[u32], _: &[usize], stream: &mut Stream) -> Vec<u32> {
        by_class::draw(labels, |count| (count as f64).sqrt(), labels.len(), stream)
    }
}

balpoe_core::register! {
    Sampler "square-root" => SquareRoot,
    summary: "classes as often as the square root of their number of images",
    paper: "Kang et al., Decoupling representation and classifier for long-tailed recognition, ICLR 2020, equation 1 with q = 1/2",
    example: r#"kind = "square-root""#,
}

#[cfg(test)]
mod tests {
    use super::super::by_class::tests::drawn;
    use super::*;

    #[test]
    fn classes_are_drawn_by_the_root_of_their_size() {
        let drawn = drawn(&SquareRoot {}, &[8100, 900, 400]);
        // Shares 9 : 3 : 2 of 9400 draws, within five standard deviations.
        for (found, share) in drawn.iter().zip([9.0, 3.0, 2.0]) {
            let p: f64 = share / 14.0;
            let deviation = (9400.0 * p * (1.0 - p)).sqrt();
            assert!((*found as f64 - 9400.0 * p).abs() < 5.0 * deviation, "{drawn:?}");
        }
    }
}
