//! How a batch is divided among replicas.

use crate::groups::BatchNormGroup;
use std::ops::Range;

/// Consecutive parts of a batch, one for each replica that gets any image. Batch-norm groups stay whole where there are at
/// least as many as replicas, so that their statistics need no exchange.
pub(crate) fn divide(batch: usize, replicas: usize, group: BatchNormGroup) -> Vec<Range<usize>> {
    let unit = match group {
        BatchNormGroup::Images(images) if batch.div_ceil(images) >= replicas => images,
        _ => 1,
    };
    let units = batch.div_ceil(unit);
    let boundary = |replica: usize| (replica * units / replicas * unit).min(batch);
    (0..replicas)
        .map(|replica| boundary(replica)..boundary(replica + 1))
        .filter(|share| !share.is_empty())
        .collect()
}

/// Images that a replica may get of any batch up to this size.
pub(crate) fn largest(batch: usize, replicas: usize, group: BatchNormGroup) -> usize {
    match group {
        BatchNormGroup::Images(images) if batch.div_ceil(images) >= replicas => {
            (batch.div_ceil(images).div_ceil(replicas) * images).min(batch)
        }
        _ => batch.div_ceil(replicas),
    }
}

/// Whether images of one batch-norm group lie on several replicas.
pub(crate) fn splits_groups(shares: &[Range<usize>], group: BatchNormGroup) -> bool {
    match group {
        BatchNormGroup::All => shares.len() > 1,
        BatchNormGroup::Images(images) => shares.iter().any(|share| !share.start.is_multiple_of(images)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_the_batch_in_order_and_fit_the_memory() {
        let groups = [1, 3, 16, 128].map(BatchNormGroup::Images).into_iter().chain([BatchNormGroup::All]);
        for group in groups {
            for replicas in 1..6 {
                for max_batch in 1..70 {
                    for batch in 1..=max_batch {
                        let shares = divide(batch, replicas, group);
                        assert_eq!(shares[0].start, 0);
                        assert_eq!(shares[shares.len() - 1].end, batch);
                        assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
                        assert!(
                            shares.len() == replicas.min(batch) || matches!(group, BatchNormGroup::Images(_))
                        );
                        let longest = shares.iter().map(ExactSizeIterator::len).max();
                        assert!(
                            longest <= Some(largest(max_batch, replicas, group)),
                            "{shares:?} of {max_batch}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn groups_stay_whole_where_they_can() {
        let shares = |batch, replicas, group| divide(batch, replicas, BatchNormGroup::Images(group));
        assert_eq!(shares(512, 2, 128), [0..256, 256..512]);
        assert_eq!(shares(300, 2, 128), [0..128, 128..300]);
        assert_eq!(shares(512, 8, 128)[..2], [0..64, 64..128]);
        assert!(!splits_groups(&shares(300, 2, 128), BatchNormGroup::Images(128)));
        assert!(splits_groups(&shares(512, 8, 128), BatchNormGroup::Images(128)));
    }
}
