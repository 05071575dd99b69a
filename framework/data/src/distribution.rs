//! Test class distributions: which test images a shifted evaluation keeps.

use std::fmt;
use std::str::FromStr;

use balpoe_core::components::DataError;

use crate::profile::Profile;
use crate::subset::{Draw, draw_subset};

/// A class distribution of the test set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TestDistribution {
    /// The whole test set.
    Uniform,
    /// Long-tailed in the direction of the training set: `m_c = floor(m · N^(−c / (C − 1)))`.
    Forward(f64),
    /// Long-tailed against the training set: the forward counts reversed.
    Backward(f64),
}

impl TestDistribution {
    /// The number of test images to keep of each class, `[classes]`, of a test set that has `each` of every class. A class may
    /// keep none.
    pub fn counts(self, classes: usize, each: usize) -> Vec<usize> {
        let forward = |ratio| Profile::Exponential.counts(classes, each, ratio);
        match self {
            Self::Uniform => vec![each; classes],
            Self::Forward(ratio) => forward(ratio),
            Self::Backward(ratio) => forward(ratio).into_iter().rev().collect(),
        }
    }

    /// The kept positions of a class-balanced test set: all in order for `uniform`, else as the published test sets were drawn
    /// ([`Draw::Official`]), so that the sets of all ratios and both directions are nested class by class.
    ///
    /// # Errors
    /// If the test set is not class-balanced.
    pub fn positions(self, labels: &[u32], classes: usize) -> Result<Vec<u32>, DataError> {
        match self {
            Self::Uniform => Ok((0..labels.len() as u32).collect()),
            Self::Forward(_) | Self::Backward(_) => {
                let each = labels.len() / classes.max(1);
                draw_subset(labels, &self.counts(classes, each), Draw::Official)
            }
        }
    }
}

impl fmt::Display for TestDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Forward(ratio) => write!(f, "forward{ratio}"),
            Self::Backward(ratio) => write!(f, "backward{ratio}"),
        }
    }
}

impl FromStr for TestDistribution {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        let ratio = |digits: &str| digits.parse().ok().filter(|&n: &f64| n.is_finite() && n >= 1.0);
        let parsed = if name == "uniform" {
            Some(Self::Uniform)
        } else if let Some(digits) = name.strip_prefix("forward") {
            ratio(digits).map(Self::Forward)
        } else if let Some(digits) = name.strip_prefix("backward") {
            ratio(digits).map(Self::Backward)
        } else {
            None
        };
        parsed.ok_or_else(|| {
            DataError::Other(format!(
                "unknown test distribution \"{name}\"; expected \"uniform\", \"forwardN\" or \"backwardN\" with an imbalance ratio \
                 N of at least 1, such as \"forward50\""
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<u32> {
        (0..10_000).map(|i| i * 7 % 100).collect()
    }

    #[test]
    fn totals_of_the_published_test_sets() {
        // Images in all, and of the many/medium/few-shot classes of the imbalance-ratio-100 training set (classes 0..35,
        // 35..70, 70..100), forward and backward.
        for (ratio, total, forward, backward) in [
            (50, 2486, [1919, 468, 99], [132, 575, 1779]),
            (25, 2956, [2105, 665, 186], [240, 786, 1930]),
            (10, 3876, [2405, 1057, 414], [518, 1188, 2170]),
            (5, 4932, [2673, 1505, 754], [920, 1634, 2378]),
            (2, 7166, [3097, 2420, 1649], [1959, 2507, 2700]),
        ] {
            for (direction, groups) in [("forward", forward), ("backward", backward)] {
                let name = format!("{direction}{ratio}");
                let distribution: TestDistribution = name.parse().unwrap();
                let labels = labels();
                let kept = distribution.positions(&labels, 100).unwrap();
                assert_eq!(kept.len(), total, "{name}");
                let of = |classes: std::ops::Range<u32>| {
                    kept.iter().filter(|&&p| classes.contains(&labels[p as usize])).count()
                };
                assert_eq!([of(0..35), of(35..70), of(70..100)], groups, "{name}");
            }
        }
        let all = TestDistribution::Uniform.positions(&labels(), 100).unwrap();
        assert!(all.into_iter().eq(0..10_000));
    }

    #[test]
    fn names_go_both_ways_and_others_are_refused() {
        for name in ["uniform", "forward50", "backward2", "forward2.5"] {
            assert_eq!(name.parse::<TestDistribution>().unwrap().to_string(), name);
        }
        for name in
            ["Uniform", "forward", "forward0.5", "backwardinf", "backwardnan", "sideways3", "forward-2", ""]
        {
            let error = name.parse::<TestDistribution>().unwrap_err().to_string();
            assert!(error.contains(&format!("\"{name}\"")), "{error}");
        }
    }

    #[test]
    fn an_unbalanced_test_set_is_refused() {
        let labels = [0, 0, 0, 0, 0, 1];
        assert!(TestDistribution::Backward(2.0).positions(&labels, 2).is_err());
    }
}
