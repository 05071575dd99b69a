//! Test distributions of list data sets.

use std::collections::BTreeMap;
use std::path::Path;

use balpoe_core::components::DataError;

use super::list::List;
use crate::distribution::TestDistribution;
use crate::subset::{Draw, draw_subset};

/// The distributions that have a list: positions of their images in the test list, in the order of their own list.
pub(super) fn listed(
    root: &Path,
    pattern: &str,
    test: &List,
    remedy: &str,
) -> Result<BTreeMap<String, Vec<u32>>, DataError> {
    let whole = root.join(pattern);
    let folder = whole.parent().unwrap_or(root);
    let file_name = whole.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (prefix, suffix) = file_name.split_once("{}").unwrap_or((file_name, ""));
    let mut found = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(found) };
    let mut positions: Option<BTreeMap<&str, u32>> = None;
    for entry in entries.flatten() {
        let file = entry.file_name();
        let name = file.to_str().and_then(|file| file.strip_prefix(prefix)?.strip_suffix(suffix));
        let Some(name) = name.filter(|name| name.parse::<TestDistribution>().is_ok()) else { continue };
        let positions = positions.get_or_insert_with(|| {
            test.paths.iter().enumerate().map(|(at, path)| (&**path, at as u32)).collect()
        });
        let list = List::read(&entry.path(), remedy)?;
        let rows = list.paths.iter().zip(&list.labels).enumerate().map(|(line, (path, &label))| {
            let at = positions.get(&**path).copied().filter(|&at| test.labels[at as usize] == label);
            at.ok_or_else(|| {
                DataError::Other(format!(
                    "image {} of `{}`, `{path}` of class {label}, is not in the test list; remove the list, or use the test \
                     list that it was drawn from",
                    line + 1,
                    entry.path().display()
                ))
            })
        });
        found.insert(name.to_owned(), rows.collect::<Result<_, _>>()?);
    }
    Ok(found)
}

/// The distribution by the formula of the published lists: `floor(m · f^(r / (C − 1)))` images of the class of rank r, where m is
/// the number of test images a class and ranks go by the number of training images, the most frequent first. The published
/// lists keep other images of each class, by a draw that is not known.
pub(super) fn drawn(name: &str, training: &[usize], test_labels: &[u32]) -> Result<Vec<u32>, DataError> {
    let distribution: TestDistribution = name.parse()?;
    let (ratio, forward) = match distribution {
        TestDistribution::Uniform => return Ok((0..test_labels.len() as u32).collect()),
        TestDistribution::Forward(ratio) => (ratio, true),
        TestDistribution::Backward(ratio) => (ratio, false),
    };
    let classes = training.len();
    let counts =
        counts(&ranks(training), test_labels.len() / classes.max(1), factor(ratio, forward), forward);
    draw_subset(test_labels, &counts, Draw::Official)
}

/// `1 / ratio`; for a ratio of 3, the rounded thirds by which the lists of iNaturalist 2018 were made: with them the end of the
/// tail has no image left.
fn factor(ratio: f64, forward: bool) -> f64 {
    match (ratio, forward) {
        (3.0, true) => 0.3333,
        (3.0, false) => 0.333,
        _ => 1.0 / ratio,
    }
}

/// Images of each class, `[classes]`.
fn counts(ranks: &[usize], each: usize, factor: f64, forward: bool) -> Vec<usize> {
    let last = ranks.len().saturating_sub(1);
    let count = |&rank: &usize| {
        let place = if forward { rank } else { last - rank };
        (each as f64 * factor.powf(place as f64 / last.max(1) as f64)) as usize
    };
    ranks.iter().map(count).collect()
}

/// The rank of each class, `[classes]`: 0 for the most training images; of equal ones the smaller label comes first.
fn ranks(training: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..training.len()).collect();
    order.sort_by_key(|&class| std::cmp::Reverse(training[class]));
    let mut ranks = vec![0; training.len()];
    for (rank, class) in order.into_iter().enumerate() {
        ranks[class] = rank;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_go_by_frequency() {
        assert_eq!(ranks(&[5, 9, 5, 1]), [1, 0, 2, 3]);
    }

    #[test]
    fn totals_of_the_published_lists() {
        // Lines of the published lists, and how many classes keep 0, 1, 2 and 3 images of iNaturalist 2018.
        let ranks: Vec<usize> = (0..1000).collect();
        for (ratio, total) in [(50.0, 12_058), (25.0, 14_437), (10.0, 19_059), (5.0, 24_365), (2.0, 35_574)] {
            for forward in [true, false] {
                let counts = counts(&ranks, 50, factor(ratio, forward), forward);
                assert_eq!(counts.iter().sum::<usize>(), total, "ratio {ratio}, forward {forward}");
            }
        }
        let ranks: Vec<usize> = (0..8142).collect();
        for (ratio, forward, expected) in [
            (2.0, true, [0, 3379, 4762, 1]),
            (2.0, false, [0, 3379, 4762, 1]),
            (3.0, true, [1, 5136, 3004, 1]),
            (3.0, false, [8, 5132, 3001, 1]),
        ] {
            let counts = counts(&ranks, 3, factor(ratio, forward), forward);
            let of = |n| counts.iter().filter(|&&count| count == n).count();
            assert_eq!([of(0), of(1), of(2), of(3)], expected, "ratio {ratio}, forward {forward}");
        }
    }
}
