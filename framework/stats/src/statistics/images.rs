//! The bootstrap over test images, within classes, and over seeds and images together.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::bootstrap::Bootstrap;
use super::resampling::{Draws, Resampling};

/// What is averaged over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Averaging {
    /// Every image weighs the same: overall accuracy.
    Images,
    /// Every class that has images weighs the same: balanced accuracy.
    Classes,
}

/// One score per seed and image: 1 for right and 0 for wrong, or the difference of two arms on the same image.
///
/// Differences make every figure of it a paired comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageScores {
    /// Per seed, then per image, sorted by class.
    scores: Vec<Vec<f64>>,
    /// The number of images of each class that has some; classes stand in a row.
    class_sizes: Vec<usize>,
}

/// Why scores per seed and image do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum ImageScoresError {
    /// There is no seed or no image.
    #[error("image scores need at least one seed and one image, found {seeds} seeds and {images} images")]
    Empty {
        /// The number of seeds.
        seeds: usize,
        /// The number of images.
        images: usize,
    },
    /// A seed has another number of scores than there are labels.
    #[error("every seed needs one score per image ({images}), found {found} for seed number {seed}")]
    Length {
        /// The position of the seed, counted from 0.
        seed: usize,
        /// The number of images.
        images: usize,
        /// The number of scores found.
        found: usize,
    },
    /// A score is NaN or infinite.
    #[error("image scores must be finite, found {score} for seed number {seed}, image {image}")]
    NotFinite {
        /// The position of the seed, counted from 0.
        seed: usize,
        /// The image, counted from 0.
        image: usize,
        /// The score found.
        score: f64,
    },
}

impl ImageScores {
    /// Scores `[seeds][images]` with the true class of every image.
    ///
    /// # Errors
    /// When there is no seed or image, lengths differ, or a score is not finite.
    pub fn new(scores: &[Vec<f64>], labels: &[u32]) -> Result<Self, ImageScoresError> {
        if scores.is_empty() || labels.is_empty() {
            return Err(ImageScoresError::Empty { seeds: scores.len(), images: labels.len() });
        }
        for (seed, row) in scores.iter().enumerate() {
            if row.len() != labels.len() {
                return Err(ImageScoresError::Length { seed, images: labels.len(), found: row.len() });
            }
            if let Some(image) = row.iter().position(|score| !score.is_finite()) {
                return Err(ImageScoresError::NotFinite { seed, image, score: row[image] });
            }
        }
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by_key(|&image| labels[image]);
        Ok(Self {
            scores: scores.iter().map(|row| order.iter().map(|&image| row[image]).collect()).collect(),
            class_sizes: order.chunk_by(|&a, &b| labels[a] == labels[b]).map(<[usize]>::len).collect(),
        })
    }

    /// The mean over seeds and images.
    pub fn mean(&self, averaging: Averaging) -> f64 {
        let images = vec![1; self.images()];
        self.weighted_mean(&vec![1; self.scores.len()], &images, averaging)
    }

    /// The bootstrap over images: drawn with replacement within each class, the same draw for every seed.
    ///
    /// It speaks about these networks on other images. Class sizes stay as they are, as in a test set made by quota.
    pub fn image_bootstrap(&self, averaging: Averaging, resampling: Resampling) -> Bootstrap {
        self.bootstrap(averaging, resampling, |seeds, _| seeds.fill(1))
    }

    /// The hierarchical bootstrap: seeds are drawn with replacement, then images within each class.
    ///
    /// It speaks about retrained networks on other images. Seeds and images are crossed (every network saw the same
    /// test images), so one draw of images serves all drawn seeds; drawing anew for each would pretend that the
    /// images of different seeds are independent and hide most of their share.
    pub fn hierarchical_bootstrap(&self, averaging: Averaging, resampling: Resampling) -> Bootstrap {
        self.bootstrap(averaging, resampling, |seeds, draws| {
            seeds.fill(0);
            for _ in 0..seeds.len() {
                let drawn = draws.below(seeds.len());
                seeds[drawn] += 1;
            }
        })
    }

    fn images(&self) -> usize {
        self.scores[0].len()
    }

    fn bootstrap(
        &self,
        averaging: Averaging,
        resampling: Resampling,
        draw_seeds: impl Fn(&mut [u32], &mut Draws),
    ) -> Bootstrap {
        let mut draws = resampling.draws();
        let (mut seeds, mut images) = (vec![1; self.scores.len()], vec![0; self.images()]);
        let replicates = (0..resampling.repeats())
            .map(|_| {
                draw_seeds(&mut seeds, &mut draws);
                images.fill(0);
                let mut first = 0;
                for &size in &self.class_sizes {
                    for _ in 0..size {
                        images[first + draws.below(size)] += 1;
                    }
                    first += size;
                }
                self.weighted_mean(&seeds, &images, averaging)
            })
            .collect();
        Bootstrap::new(self.mean(averaging), replicates)
    }

    /// The mean when seeds and images count as often as their multiplicities say.
    fn weighted_mean(&self, seeds: &[u32], images: &[u32], averaging: Averaging) -> f64 {
        let sum: f64 = self
            .scores
            .iter()
            .zip(seeds)
            .filter(|(_, times)| **times > 0)
            .map(|(scores, &times)| f64::from(times) * self.image_mean(scores, images, averaging))
            .sum();
        sum / f64::from(seeds.iter().sum::<u32>())
    }

    fn image_mean(&self, scores: &[f64], images: &[u32], averaging: Averaging) -> f64 {
        let mut first = 0;
        let class_sums = self.class_sizes.iter().map(|&size| {
            let class = first..first + size;
            first += size;
            let sum: f64 = scores[class.clone()]
                .iter()
                .zip(&images[class])
                .map(|(s, &times)| s * f64::from(times))
                .sum();
            match averaging {
                Averaging::Images => sum,
                Averaging::Classes => sum / size as f64,
            }
        });
        class_sums.sum::<f64>()
            / match averaging {
                Averaging::Images => self.images() as f64,
                Averaging::Classes => self.class_sizes.len() as f64,
            }
    }
}
