//! Generated images: no files needed.

use balpoe_core::components::{Data, DataError, Dataset, Place};
use balpoe_core::config::ConfigError;
use balpoe_core::registry::Component;
use balpoe_data::{Profile, TestDistribution};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Small pictures of textured, coloured shapes on cluttered ground, long-tailed. Classes come in families that look alike, each
/// with frequent and rare members.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Procedural {
    /// Number of classes.
    pub classes: usize,
    /// Height and width of the images.
    pub size: usize,
    /// Training images of the most frequent class.
    pub largest_class: usize,
    /// Shape of the class counts.
    pub profile: Profile,
    /// Training images of the most frequent class over those of the rarest.
    pub imbalance_ratio: f64,
    /// Test images of each class.
    pub test_images: usize,
    /// Seed of the images. The experiment's seeds do not change them.
    pub seed: u64,
}

impl Default for Procedural {
    fn default() -> Self {
        Self {
            classes: 30,
            size: 16,
            largest_class: 300,
            profile: Profile::Exponential,
            imbalance_ratio: 30.0,
            test_images: 50,
            seed: 0,
        }
    }
}

impl Component for Procedural {
    fn check(&self) -> Result<(), ConfigError> {
        let most = balpoe_data::Procedural::MOST_CLASSES;
        for (key, value, range) in [
            ("classes", self.classes, 2..=most),
            ("size", self.size, 8..=256),
            ("largest_class", self.largest_class, 1..=100_000),
            ("test_images", self.test_images, 1..=100_000),
        ] {
            if !range.contains(&value) {
                let (low, high) = range.into_inner();
                return Err(ConfigError::key(
                    key,
                    format!("`{key}` lies between {low} and {high}, found {value}"),
                ));
            }
        }
        self.profile
            .training_counts(self.classes, self.largest_class, self.imbalance_ratio)
            .map_err(|error| ConfigError::key("imbalance_ratio", error.to_string()))?;
        Ok(())
    }
}

impl Dataset for Procedural {
    fn load(&self, _: Place<'_>) -> Result<Data, DataError> {
        let Self { classes, size, largest_class, profile, imbalance_ratio, test_images, seed } = *self;
        balpoe_data::Procedural { classes, size, largest_class, profile, imbalance_ratio, test_images, seed }
            .generate()
    }

    fn distribution(&self, name: &str, data: &Data) -> Result<Vec<u32>, DataError> {
        name.parse::<TestDistribution>()?.positions(&data.test.labels, data.classes.len())
    }
}

balpoe_core::register! {
    Dataset "procedural" => Procedural,
    summary: "generated pictures of textured shapes, long-tailed; no files needed",
    paper: "",
    example: "kind = \"procedural\"\nclasses = 30\nsize = 16\nimbalance_ratio = 30.0",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_every_shot_group_has_classes() {
        let Procedural { classes, largest_class, profile, imbalance_ratio, .. } = Procedural::default();
        let counts = profile.training_counts(classes, largest_class, imbalance_ratio).unwrap();
        let many = counts.iter().filter(|&&n| n > 100).count();
        let few = counts.iter().filter(|&&n| n < 20).count();
        assert_eq!((many, classes - many - few, few, counts.iter().sum()), (10, 14, 6, 2616));
    }
}
