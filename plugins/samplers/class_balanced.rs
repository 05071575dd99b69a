//! Every class equally often.

use balpoe_core::components::Sampler;
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_class;

/// For each draw a uniformly random class, then the next image of that class's shuffled list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassBalanced {
    /// An epoch has as many draws as there are images; else as many as if every class had the images of the largest.
    pub retain_epoch_size: bool,
}

impl Default for ClassBalanced {
    fn default() -> Self {
        Self { retain_epoch_size: true }
    }
}

impl Component for ClassBalanced {}

impl Sampler for ClassBalanced {
    fn epoch(&self, labels: &[u32], class_counts: &[usize], stream: &mut Stream) -> Vec<u32> {
        let length = if self.retain_epoch_size {
            labels.len()
        } else {
            class_counts.len() * class_counts.iter().max().copied().unwrap_or(0)
        };
        by_class::draw(labels, |_| 1.0, length, stream)
    }
}

balpoe_core::register! {
    Sampler "class-balanced" => ClassBalanced,
    summary: "every class equally often, images of rare classes repeated",
    paper: "Kang et al., Decoupling representation and classifier for long-tailed recognition, ICLR 2020, equation 1 with q = 0",
    example: "kind = \"class-balanced\"\nretain_epoch_size = true",
}

#[cfg(test)]
mod tests {
    use super::super::by_class::tests::drawn;
    use super::*;

    #[test]
    fn classes_are_drawn_equally_often() {
        let counts = [3000, 900, 0, 90, 10];
        let drawn = drawn(&ClassBalanced::default(), &counts);
        assert_eq!((drawn.iter().sum::<usize>(), drawn[2]), (4000, 0));
        // Five standard deviations of Binomial(4000, 1/4) around 1000.
        assert!([0, 1, 3, 4].iter().all(|&c| drawn[c].abs_diff(1000) < 137), "{drawn:?}");
    }

    #[test]
    fn an_epoch_can_have_the_size_of_a_balanced_set() {
        let sampler = ClassBalanced { retain_epoch_size: false };
        assert_eq!(drawn(&sampler, &[30, 3, 1]).iter().sum::<usize>(), 90);
    }
}
