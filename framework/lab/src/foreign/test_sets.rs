//! Test class distributions of scored samples, by formula.

use balpoe_core::config::ConfigError;
use balpoe_data::TestDistribution;

use crate::error::LabError;
use crate::scores::TestSet;

/// The rows of each distribution. Forward and backward lean toward the classes with most and fewest training images, so
/// they need the counts.
pub(super) fn test_sets<'n>(
    names: &'n [String],
    labels: &[u32],
    classes: usize,
    class_counts: Option<&[usize]>,
) -> Result<Vec<TestSet<'n>>, LabError> {
    let rank_of = class_counts.map(ranks);
    let rows = |name: &'n String| {
        let distribution: TestDistribution = name
            .parse()
            .map_err(|error: balpoe_core::components::DataError| ConfigError::new(error.to_string()))?;
        let ranked: Vec<u32> = match (&rank_of, distribution) {
            (_, TestDistribution::Uniform) => return Ok((name.as_str(), (0..labels.len() as u32).collect())),
            (Some(rank_of), _) => labels.iter().map(|&label| rank_of[label as usize]).collect(),
            (None, _) => {
                let message = format!(
                    "`{name}` leans toward frequent or rare classes, and nothing says which those are"
                );
                let help = "give the training images of each class with --class-counts";
                return Err(ConfigError::new(message).help(help).into());
            }
        };
        if !is_balanced(labels, classes) {
            let message = format!("`{name}` needs a test set with equally many samples of each class");
            return Err(ConfigError::new(message).help("evaluate `uniform`, the samples as they are").into());
        }
        let rows =
            distribution.positions(&ranked, classes).map_err(|error| ConfigError::new(error.to_string()))?;
        if rows.is_empty() {
            let message = format!("`{name}` keeps no sample of a test set of {}", labels.len());
            return Err(ConfigError::new(message).into());
        }
        Ok((name.as_str(), rows))
    };
    names.iter().map(rows).collect()
}

/// The place of each class when they are ordered by falling count; equal ones stay in their order.
fn ranks(class_counts: &[usize]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..class_counts.len()).collect();
    order.sort_by_key(|&class| std::cmp::Reverse(class_counts[class]));
    let mut rank_of = vec![0; class_counts.len()];
    for (rank, class) in (0..).zip(order) {
        rank_of[class] = rank;
    }
    rank_of
}

/// Whether every class has equally many samples.
pub(super) fn is_balanced(labels: &[u32], classes: usize) -> bool {
    let mut counts = vec![0_usize; classes];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    counts.iter().all(|&count| count == counts[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_leans_toward_the_classes_with_most_training_images() {
        let labels: Vec<u32> = (0..300).map(|i| i % 3).collect();
        let names = ["forward10".to_owned(), "backward10".to_owned()];
        let sets = test_sets(&names, &labels, 3, Some(&[20, 500, 100])).unwrap();
        let count = |rows: &[u32], class| rows.iter().filter(|&&row| labels[row as usize] == class).count();
        let counts = |rows: &[u32]| [count(rows, 0), count(rows, 1), count(rows, 2)];
        assert_eq!(counts(&sets[0].1), [10, 100, 31]);
        assert_eq!(counts(&sets[1].1), [100, 10, 31]);
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let names = ["forward2".to_owned()];
        let unbalanced = [0, 0, 0, 1];
        for (labels, counts) in [(&[0, 1][..], None), (&unbalanced, Some(&[5, 1][..]))] {
            let refused = test_sets(&names, labels, 2, counts);
            assert!(matches!(refused, Err(LabError::Config(_))));
        }
        assert!(!is_balanced(&unbalanced, 2));
    }
}
