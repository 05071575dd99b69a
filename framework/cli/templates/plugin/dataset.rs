//! A data set: noisy squares of one colour a class.

use std::collections::BTreeMap;
use std::sync::Arc;

use balpoe_core::components::{Data, DataError, Dataset, Image, Images, Place, Split};
use balpoe_core::config::ConfigError;
use balpoe_core::digest::sha256;
use balpoe_core::random::{Purpose, Stream};
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_data::{Profile, TestDistribution};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Height and width of the images.
const SIZE: usize = 16;

/// Generated images: every class has a shade of its own, and every pixel is noisy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyPlugin {
    /// Number of classes.
    pub classes: usize,
    /// Training images of the most frequent class.
    pub largest_class: usize,
    /// Training images of the most frequent class over those of the rarest.
    pub imbalance_ratio: f64,
    /// Test images of each class.
    pub test_images: usize,
}

impl Default for MyPlugin {
    fn default() -> Self {
        Self { classes: 6, largest_class: 40, imbalance_ratio: 10.0, test_images: 10 }
    }
}

impl Component for MyPlugin {
    fn check(&self) -> Result<(), ConfigError> {
        if !(2..=100).contains(&self.classes) {
            let message = format!("classes lies between 2 and 100, found {}", self.classes);
            return Err(ConfigError::key("classes", message));
        }
        if self.test_images == 0 {
            return Err(ConfigError::key("test_images", "test_images must be at least 1, found 0"));
        }
        match self.training_counts() {
            Ok(_) => Ok(()),
            Err(error) => Err(ConfigError::key("imbalance_ratio", error.to_string())),
        }
    }
}

impl MyPlugin {
    fn training_counts(&self) -> Result<Vec<usize>, DataError> {
        Profile::Exponential.training_counts(self.classes, self.largest_class, self.imbalance_ratio)
    }

    /// Images with these class counts. Each is drawn when it is read: memory holds the labels.
    fn split(&self, part: u64, counts: &[usize]) -> Split {
        let label = |(class, &count): (usize, &usize)| vec![class as u32; count];
        let labels: Vec<u32> = counts.iter().enumerate().flat_map(label).collect();
        let images = Squares { part, classes: self.classes, labels: labels.clone() };
        Split { images: Arc::new(images), labels }
    }
}

impl Dataset for MyPlugin {
    // A data set with files finds them under `place.root`; where one is not there, it gives
    // `DataError::Missing`, which says how to get it.
    fn load(&self, _: Place<'_>) -> Result<Data, DataError> {
        let counts = self.training_counts()?;
        Ok(Data {
            classes: (0..self.classes).map(|class| format!("shade {class}")).collect(),
            size: (SIZE, SIZE),
            mean: [0.5; 3],
            deviation: [0.3; 3],
            train: self.split(0, &counts),
            test: self.split(1, &vec![self.test_images; self.classes]),
            // What decides the images, and which of them are trained on. Results are kept by it.
            fingerprint: sha256(format!("my-plugin 1 {self:?}")),
            subset: sha256(format!("{counts:?}")),
            group_counts: counts,
            // Test sets that come as lists; this one draws them.
            distributions: BTreeMap::new(),
        })
    }

    fn distribution(&self, name: &str, data: &Data) -> Result<Vec<u32>, DataError> {
        name.parse::<TestDistribution>()?.positions(&data.test.labels, data.classes.len())
    }
}

/// The images of one split.
struct Squares {
    part: u64,
    classes: usize,
    labels: Vec<u32>,
}

impl Images for Squares {
    fn read(&self, position: usize) -> Result<Image, DataError> {
        let Some(&label) = self.labels.get(position) else {
            let count = self.labels.len();
            let message = format!("there is no image {position}, only {count} images");
            return Err(DataError::Other(message));
        };
        let shade = 255.0 * (f64::from(label) + 0.5) / self.classes as f64;
        let mut stream = Stream::new(0, Purpose::Generation, self.part, position as u64);
        let noisy = |_| (shade + 40.0 * stream.normal()) as u8; // `as` ends at 0 and 255
        let pixels = (0..SIZE * SIZE * 3).map(noisy).collect();
        Ok(Image { height: SIZE, width: SIZE, pixels })
    }
}

register! {
    Dataset "my-plugin" => MyPlugin,
    summary: "generated squares of one shade a class, long-tailed; no files needed",
    paper: "",
    example: r#"
kind = "my-plugin"
classes = 6
imbalance_ratio = 10.0
"#,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_training_set_is_long_tailed_and_the_test_set_is_not() {
        let dataset = MyPlugin::default();
        let data = dataset.load(Place { root: Path::new("unused") }).unwrap();
        assert_eq!(data.train.class_counts(6), [40, 25, 15, 10, 6, 4]);
        assert_eq!(data.test.class_counts(6), [10; 6]);
        assert_eq!(data.train.images.read(3).unwrap(), data.train.images.read(3).unwrap());
        assert_ne!(data.train.images.read(3).unwrap(), data.test.images.read(3).unwrap());
    }
}
