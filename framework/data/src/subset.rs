//! Which images of each class a subset keeps.

use balpoe_core::components::DataError;
use balpoe_core::random::{Purpose, Stream};

use crate::legacy_numpy::LegacyNumpy;

/// How the images of a class are shuffled before the first ones are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// As the published subsets: NumPy's legacy generator with seed 0, one shuffle a class in ascending order of classes.
    Official,
    /// By a stream of our own for this seed; one per class.
    Seeded(u64),
}

/// The positions of the kept images: class by class, in the order of the draw.
///
/// The permutation of a class does not depend on how many images are kept, so subsets with smaller counts lie inside those
/// with larger ones. `counts` is `[classes]`.
///
/// # Errors
/// If a label is not below the number of classes, or a class has fewer images than are to be kept.
pub fn draw_subset(labels: &[u32], counts: &[usize], draw: Draw) -> Result<Vec<u32>, DataError> {
    let mut legacy = LegacyNumpy::new(0);
    let mut kept = Vec::with_capacity(counts.iter().sum());
    for (class, (mut positions, &count)) in
        positions_by_class(labels, counts.len())?.into_iter().zip(counts).enumerate()
    {
        match draw {
            Draw::Official => legacy.shuffle(&mut positions),
            Draw::Seeded(seed) => Stream::new(seed, Purpose::Subset, 0, class as u64).shuffle(&mut positions),
        }
        let chosen = positions.get(..count).ok_or_else(|| {
            DataError::Other(format!(
                "class {class} has {} images, and the subset needs {count} of them",
                positions.len()
            ))
        })?;
        kept.extend_from_slice(chosen);
    }
    Ok(kept)
}

/// The positions that have each label, ascending: `[classes]` lists.
///
/// # Errors
/// If a label is not below the number of classes.
pub fn positions_by_class(labels: &[u32], classes: usize) -> Result<Vec<Vec<u32>>, DataError> {
    let mut lists = vec![Vec::new(); classes];
    for (position, &label) in labels.iter().enumerate() {
        let list = lists.get_mut(label as usize).ok_or_else(|| {
            DataError::Other(format!("image {position} has label {label}, expected a label below {classes}"))
        })?;
        list.push(position as u32);
    }
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Labels in which class `c` owns the positions `c, c + classes, …`.
    fn interleaved(classes: usize, each: usize) -> Vec<u32> {
        (0..classes * each).map(|i| (i % classes) as u32).collect()
    }

    #[test]
    fn official_draw_takes_the_published_ranks() {
        // Ranks inside a class's ascending list, from the reference implementation: CIFAR-100 train (500 images a class),
        // CIFAR-10 train (5000), CIFAR-100 test (100).
        let ranks = |classes: usize, each: usize, class: usize| -> Vec<u32> {
            let kept =
                draw_subset(&interleaved(classes, each), &vec![each; classes], Draw::Official).unwrap();
            kept[class * each..][..10].iter().map(|p| p / classes as u32).collect()
        };
        assert_eq!(ranks(100, 500, 0), [90, 254, 283, 445, 461, 15, 316, 489, 159, 153]);
        assert_eq!(ranks(100, 500, 1), [277, 307, 436, 88, 261, 57, 413, 459, 398, 201]);
        assert_eq!(ranks(100, 500, 99), [348, 153, 363, 361, 299, 353, 338, 99, 481, 246]);
        assert_eq!(ranks(10, 5000, 0), [398, 3833, 4836, 4572, 636, 2545, 1161, 2230, 148, 2530]);
        assert_eq!(ranks(10, 5000, 9), [2204, 3816, 2206, 2507, 1926, 4765, 368, 3808, 4418, 3498]);
        assert_eq!(ranks(100, 100, 0), [26, 86, 2, 55, 75, 93, 16, 73, 54, 95]);
        assert_eq!(ranks(100, 100, 99), [27, 3, 46, 74, 96, 35, 68, 13, 16, 41]);
    }

    #[test]
    fn impossible_requests_are_errors() {
        let few = draw_subset(&[0, 1, 1], &[1, 3], Draw::Official).unwrap_err();
        assert_eq!(few.to_string(), "class 1 has 2 images, and the subset needs 3 of them");
        let label = draw_subset(&[0, 7], &[1, 1], Draw::Seeded(0)).unwrap_err();
        assert_eq!(label.to_string(), "image 1 has label 7, expected a label below 2");
    }

    proptest! {
        #[test]
        fn subsets_are_nested_and_have_their_counts(
            classes in 1..8_usize, each in 1..40_usize, seed in any::<u64>(), official in any::<bool>(),
        ) {
            let draw = if official { Draw::Official } else { Draw::Seeded(seed) };
            let labels = interleaved(classes, each);
            let large: Vec<usize> = (0..classes).map(|c| each - c % each).collect();
            let small: Vec<usize> = large.iter().map(|n| n / 2).collect();
            let (large_kept, small_kept) =
                (draw_subset(&labels, &large, draw).unwrap(), draw_subset(&labels, &small, draw).unwrap());
            let set: BTreeSet<u32> = large_kept.iter().copied().collect();
            prop_assert_eq!(set.len(), large.iter().sum::<usize>());
            prop_assert!(small_kept.iter().all(|p| set.contains(p)));
            for (class, &n) in large.iter().enumerate() {
                prop_assert_eq!(large_kept.iter().filter(|&&p| labels[p as usize] == class as u32).count(), n);
            }
        }
    }
}
