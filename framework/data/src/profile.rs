//! Imbalance profiles: how many images of each class a long-tailed set keeps.

use balpoe_core::components::DataError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shape of the class counts, from the most frequent class (the first) to the rarest (the last).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// `n_c = floor(n_max · ratio^(−c / (C − 1)))` (Cui et al. 2019, "Class-balanced loss").
    #[default]
    Exponential,
    /// The first half of the classes keeps `n_max` images, the other half `floor(n_max / ratio)`.
    Step,
    /// Every class keeps `n_max` images.
    Balanced,
}

impl Profile {
    /// The number of images to keep of each class, `[classes]`, where the most frequent class keeps `largest`.
    ///
    /// Computed in double precision with `f = 1 / ratio` in the order of the reference implementation, so that the truncation
    /// falls on the same side. `ratio` is at least one.
    pub fn counts(self, classes: usize, largest: usize, ratio: f64) -> Vec<usize> {
        let factor = 1.0 / ratio;
        let scaled = |factor: f64| (largest as f64 * factor) as usize;
        let last = classes.saturating_sub(1).max(1) as f64;
        (0..classes)
            .map(|class| match self {
                Self::Exponential => scaled(factor.powf(class as f64 / last)),
                Self::Step if class >= classes / 2 => scaled(factor),
                Self::Step | Self::Balanced => largest,
            })
            .collect()
    }

    /// As [`Self::counts`], for a training set: every class must keep an image.
    ///
    /// # Errors
    /// If the ratio is below one or not finite, or so large that a class would be empty.
    pub fn training_counts(
        self,
        classes: usize,
        largest: usize,
        ratio: f64,
    ) -> Result<Vec<usize>, DataError> {
        if !(ratio.is_finite() && ratio >= 1.0) {
            return Err(DataError::Other(format!("the imbalance ratio must be at least 1, found {ratio}")));
        }
        let counts = self.counts(classes, largest, ratio);
        match counts.iter().position(|&n| n == 0) {
            None => Ok(counts),
            Some(class) => Err(DataError::Other(format!(
                "an imbalance ratio of {ratio} leaves class {class} without training images; it can be at most {largest}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts_of_the_published_subsets() {
        // Totals, ends and group sizes of the reference implementation's subsets.
        for (classes, largest, ratio, total, groups) in [
            (100, 500, 100.0, 10_847, (35, 35, 30)),
            (100, 500, 50.0, 12_608, (41, 41, 18)),
            (100, 500, 10.0, 19_573, (69, 31, 0)),
            (10, 5000, 100.0, 12_406, (8, 2, 0)),
            (10, 5000, 50.0, 13_996, (9, 1, 0)),
            (10, 5000, 10.0, 20_431, (10, 0, 0)),
        ] {
            let counts = Profile::Exponential.counts(classes, largest, ratio);
            assert_eq!(counts.iter().sum::<usize>(), total, "classes {classes}, ratio {ratio}");
            assert_eq!((counts[0], counts[classes - 1]), (largest, largest / ratio as usize));
            let many = counts.iter().filter(|&&n| n > 100).count();
            let few = counts.iter().filter(|&&n| n < 20).count();
            assert_eq!((many, classes - many - few, few), groups);
        }
        assert_eq!(
            Profile::Exponential.counts(10, 5000, 100.0),
            [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
        );
        assert_eq!(Profile::Step.counts(5, 10, 5.0), [10, 10, 2, 2, 2]);
        assert_eq!(Profile::Balanced.counts(3, 7, 50.0), [7, 7, 7]);
    }

    #[test]
    fn impossible_ratios_are_refused() {
        for ratio in [0.5, f64::NAN, f64::INFINITY, -3.0] {
            let error = Profile::Step.training_counts(10, 100, ratio).unwrap_err();
            assert!(error.to_string().contains("at least 1"), "{error}");
        }
        let error = Profile::Exponential.training_counts(100, 500, 1000.0).unwrap_err();
        assert!(error.to_string().contains("at most 500"), "{error}");
    }

    proptest! {
        #[test]
        fn counts_never_rise_and_span_the_ratio(
            classes in 1..200_usize, largest in 1..6000_usize, ratio in 1.0..500.0_f64,
        ) {
            for profile in [Profile::Exponential, Profile::Step, Profile::Balanced] {
                let counts = profile.counts(classes, largest, ratio);
                prop_assert_eq!(counts.len(), classes);
                prop_assert!(counts.windows(2).all(|pair| pair[0] >= pair[1]));
                prop_assert!(counts[classes - 1] as f64 >= (largest as f64 / ratio - 1.0).floor());
            }
        }
    }
}
