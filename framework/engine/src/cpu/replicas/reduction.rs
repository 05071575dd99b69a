//! Sums of gradients over replicas, in buckets, while the backward pass still produces the next ones.

use crate::buckets::Buckets;
use std::sync::mpsc::{Receiver, Sender};

/// Values of a bucket, at least: fewer would be handed over too often, more would leave much to do after the pass.
pub(super) const BUCKET: usize = 1 << 17;

impl Buckets {
    /// Hands over the gradients that a step has completed, if they complete a bucket. The vectors themselves go; they are
    /// put back when the pass is over.
    pub(super) fn hand_over(
        &self,
        step: usize,
        rank: usize,
        gradients: &mut [Vec<f32>],
        reducer: &Sender<Delivery>,
    ) {
        let Some(bucket) = self.of_step(step) else { return };
        let parameters = self.parameters(bucket);
        let gradients =
            parameters.iter().map(|&parameter| std::mem::take(&mut gradients[parameter])).collect();
        // The reducer is there until all have been delivered, or the pass has failed.
        let _ = reducer.send(Delivery { bucket, rank, gradients });
    }

    /// Puts delivered gradients back in their places.
    pub(super) fn put_back(&self, delivery: Delivery, gradients: &mut [Vec<f32>]) {
        for (&parameter, values) in self.parameters(delivery.bucket).iter().zip(delivery.gradients) {
            gradients[parameter] = values;
        }
    }
}

/// A replica's gradients of one bucket.
pub(super) struct Delivery {
    bucket: usize,
    pub(super) rank: usize,
    gradients: Vec<Vec<f32>>,
}

/// Receives every bucket from every replica and adds each bucket up, in the order of ranks, as soon as all have delivered it.
/// Gives back all deliveries, the sums in those of the first replica. Ends early, with what came, if replicas fail.
pub(super) fn reduce(buckets: usize, replicas: usize, deliveries: &Receiver<Delivery>) -> Vec<Delivery> {
    let mut waiting: Vec<Vec<Delivery>> = (0..buckets).map(|_| Vec::new()).collect();
    let mut done = Vec::new();
    for delivery in deliveries {
        let bucket = delivery.bucket;
        waiting[bucket].push(delivery);
        if waiting[bucket].len() == replicas {
            let mut complete = std::mem::take(&mut waiting[bucket]);
            complete.sort_by_key(|delivery| delivery.rank);
            add_up(&mut complete);
            done.extend(complete);
        }
    }
    done.extend(waiting.into_iter().flatten());
    done
}

fn add_up(complete: &mut [Delivery]) {
    let Some((sum, others)) = complete.split_first_mut() else { return };
    for other in others {
        for (sum, other) in sum.gradients.iter_mut().zip(&other.gradients) {
            sum.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn gradients_are_summed_whatever_the_order_of_delivery() {
        let buckets = Buckets::new(&[(1, vec![1]), (0, vec![0])], &[2, 2], 2);
        let (sender, receiver) = mpsc::channel();
        let mut replicas: Vec<Vec<Vec<f32>>> =
            (0..3).map(|rank| vec![vec![rank as f32; 2], vec![10.0 * rank as f32; 2]]).collect();
        for (step, rank) in [(1, 2), (0, 2), (1, 0), (0, 1), (1, 1), (0, 0)] {
            buckets.hand_over(step, rank, &mut replicas[rank], &sender);
        }
        assert!(replicas.iter().flatten().all(Vec::is_empty));
        drop(sender);
        for delivery in reduce(buckets.len(), 3, &receiver) {
            let rank = delivery.rank;
            buckets.put_back(delivery, &mut replicas[rank]);
        }
        assert_eq!(replicas[0], [[3.0; 2], [30.0; 2]]);
        assert_eq!(replicas[1][0].len(), 2);
    }
}
