//! Training and test splits.

use std::collections::BTreeMap;
use std::sync::Arc;

use balpoe_core::components::{Data, DataError, Split};
use balpoe_core::digest::{Fingerprint, sha256_of_positions};
use balpoe_core::random::{Purpose, Stream};

use super::appearance::Appearance;
use super::scene;
use crate::profile::Profile;
use crate::resident::ResidentImages;

/// The data set's settings.
#[derive(Clone, Copy, Debug)]
pub struct Procedural {
    /// Number of classes.
    pub classes: usize,
    /// Height and width of the images.
    pub size: usize,
    /// Training images of the most frequent class.
    pub largest_class: usize,
    /// Shape of the class counts.
    pub profile: Profile,
    /// Images of the most frequent class over those of the rarest.
    pub imbalance_ratio: f64,
    /// Test images of each class.
    pub test_images: usize,
    /// Seed of all images.
    pub seed: u64,
}

/// Training and test images come from streams that differ in this.
#[derive(Clone, Copy)]
enum Part {
    Train = 0,
    Test = 1,
}

impl Procedural {
    /// The most classes that there can be.
    pub const MOST_CLASSES: usize = Appearance::CLASSES;

    /// Draws all images. Image `k` of a class depends on the seed, the class and `k` alone, so a smaller imbalance ratio adds
    /// images and changes none.
    ///
    /// # Errors
    /// If the imbalance ratio is impossible for the largest class.
    pub fn generate(&self) -> Result<Data, DataError> {
        let counts = self.profile.training_counts(self.classes, self.largest_class, self.imbalance_ratio)?;
        let mut fingerprint = Fingerprint::default();
        let train = self.split(Part::Train, &counts, &mut fingerprint);
        let test = self.split(Part::Test, &vec![self.test_images; self.classes], &mut fingerprint);
        let positions: Vec<u32> = counts
            .iter()
            .enumerate()
            .flat_map(|(class, &n)| (0..n).map(move |k| (class * self.largest_class + k) as u32))
            .collect();
        Ok(Data {
            classes: (0..self.classes).map(|class| Appearance::of(class).name()).collect(),
            size: (self.size, self.size),
            mean: [0.45; 3],
            deviation: [0.25; 3],
            fingerprint: fingerprint.hex(),
            subset: sha256_of_positions(&positions),
            distributions: BTreeMap::new(),
            group_counts: counts,
            train,
            test,
        })
    }

    fn split(&self, part: Part, counts: &[usize], fingerprint: &mut Fingerprint) -> Split {
        let mut pixels = Vec::with_capacity(counts.iter().sum::<usize>() * self.size * self.size * 3);
        let mut labels = Vec::new();
        for (class, &count) in counts.iter().enumerate() {
            for k in 0..count {
                let index = ((class as u64) << 32) | k as u64;
                let mut stream = Stream::new(self.seed, Purpose::Generation, part as u64, index);
                pixels.extend(scene::draw(Appearance::of(class), self.size, &mut stream));
                labels.push(class as u32);
            }
        }
        for label in &labels {
            fingerprint.bytes(&u32::to_le_bytes(*label));
        }
        fingerprint.part(&pixels);
        Split { images: Arc::new(ResidentImages::new(self.size, self.size, pixels)), labels }
    }
}
