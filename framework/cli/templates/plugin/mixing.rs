//! A mixing: blends of two images with a uniform weight.

use balpoe_core::components::{Batch, Mixing, MixingStreams};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Each image becomes `lambda x + (1 - lambda) x'` with another one of the batch, and so does its
/// label; one lambda for the batch, uniform between `least` and 1.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyPlugin {
    /// The least weight of the image itself.
    pub least: f64,
}

impl Default for MyPlugin {
    fn default() -> Self {
        Self { least: 0.5 }
    }
}

impl Component for MyPlugin {
    fn check(&self) -> Result<(), ConfigError> {
        if (0.0..=1.0).contains(&self.least) {
            return Ok(());
        }
        let message = format!("least lies between 0 and 1, found {}", self.least);
        Err(ConfigError::key("least", message))
    }
}

impl Mixing for MyPlugin {
    fn mix(&self, batch: &mut Batch, streams: &MixingStreams) {
        // All randomness comes from the streams, which belong to this batch alone.
        let mut stream = streams.own();
        let lambda = stream.uniform(self.least, 1.0) as f32;
        let partners = stream.permutation(batch.len());
        let (originals, size) = (batch.images.clone(), batch.image_len());
        for (image, &partner) in batch.images.chunks_exact_mut(size).zip(&partners) {
            let other = &originals[partner as usize * size..][..size];
            for (value, &other) in image.iter_mut().zip(other) {
                *value = lambda * *value + (1.0 - lambda) * other;
            }
        }
        let labels = &batch.targets.first;
        batch.targets.second = partners.iter().map(|&p| labels[p as usize]).collect();
        batch.targets.lambda = vec![lambda; partners.len()];
    }

    // An experiment can have one mixing that does.
    fn pairs(&self) -> bool {
        true
    }
}

register! {
    Mixing "my-plugin" => MyPlugin,
    summary: "blends each image and label with another one, with a uniform weight",
    paper: "",
    example: r#"
kind = "my-plugin"
least = 0.5
"#,
}

#[cfg(test)]
mod tests {
    use balpoe_core::components::Targets;

    use super::*;

    #[test]
    fn images_and_labels_are_blended_alike() {
        // One pixel an image: its value is its label.
        let mut batch = Batch {
            images: vec![0.0, 1.0, 2.0, 3.0],
            shape: (1, 1, 1),
            targets: Targets::hard(vec![0, 1, 2, 3]),
        };
        let streams = MixingStreams { seed: 1, epoch: 0, batch: 0, position: 0 };
        let mixing = MyPlugin { least: 0.0 };
        mixing.mix(&mut batch, &streams);
        let Targets { first, second, lambda, .. } = &batch.targets;
        let weight = lambda[0];
        assert!((0.0..1.0).contains(&weight) && *lambda == [weight; 4]);
        for ((&found, &own), &other) in batch.images.iter().zip(first).zip(second) {
            let expected = weight * own as f32 + (1.0 - weight) * other as f32;
            assert!((found - expected).abs() < 1e-6);
        }
    }
}
