//! Sums that all replicas need before any of them can go on.

use crate::EngineError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Turns of the spin loop before a waiting replica offers its core to others.
const SPINS_BEFORE_YIELD: u32 = 2_000;

/// Meeting place of the replicas of one pass.
pub(super) struct Exchange {
    /// What each replica brings, for an even and an odd round: a replica may begin a round while others still read what
    /// it brought to the one before.
    brought: [Vec<Mutex<Vec<f64>>>; 2],
    /// Arrivals in all rounds.
    arrived: AtomicUsize,
    /// Whether a replica failed and will not come.
    abandoned: AtomicBool,
}

impl Exchange {
    /// A meeting place, and each replica's way to it.
    pub(super) fn new(replicas: usize) -> (Arc<Self>, Vec<Peer>) {
        let places = || (0..replicas).map(|_| Mutex::default()).collect();
        let exchange = Arc::new(Self {
            brought: [places(), places()],
            arrived: AtomicUsize::new(0),
            abandoned: AtomicBool::new(false),
        });
        let peer = |rank| Peer { exchange: Arc::clone(&exchange), rank, round: 0 };
        let peers = (0..replicas).map(peer).collect();
        (exchange, peers)
    }

    /// Lets the others go: this replica has failed.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }
}

/// A replica's way to the others.
pub(super) struct Peer {
    exchange: Arc<Exchange>,
    rank: usize,
    round: usize,
}

impl Peer {
    /// Replaces `values` by their sums over all replicas, added in the order of ranks. All replicas must call this equally
    /// often, with as many values.
    ///
    /// # Errors
    /// [`EngineError::Replica`] if another replica failed.
    pub(super) fn sum(&mut self, values: &mut [f64]) -> Result<(), EngineError> {
        let Exchange { brought, arrived, abandoned } = &*self.exchange;
        let brought = &brought[self.round % 2];
        let replicas = brought.len();
        {
            let mut own = brought[self.rank].lock().unwrap_or_else(PoisonError::into_inner);
            own.clear();
            own.extend_from_slice(values);
        }
        self.round += 1;
        arrived.fetch_add(1, Ordering::AcqRel);
        let mut spins = 0;
        while arrived.load(Ordering::Acquire) < self.round * replicas {
            if abandoned.load(Ordering::Acquire) {
                return Err(EngineError::Replica);
            }
            if spins < SPINS_BEFORE_YIELD {
                spins += 1;
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
        values.fill(0.0);
        for other in brought {
            let other = other.lock().unwrap_or_else(PoisonError::into_inner);
            values.iter_mut().zip(&*other).for_each(|(sum, value)| *sum += value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_replica_gets_the_same_sums_in_every_round() {
        for replicas in [1, 2, 5] {
            let (_, peers) = Exchange::new(replicas);
            let sums: Vec<Vec<f64>> = thread::scope(|scope| {
                let work = |mut peer: Peer| {
                    move || {
                        let mut all = Vec::new();
                        for round in 0..100 {
                            let mut values = [0.1 * peer.rank as f64, f64::from(round)];
                            peer.sum(&mut values).unwrap();
                            all.extend(values);
                        }
                        all
                    }
                };
                let threads: Vec<_> = peers.into_iter().map(|peer| scope.spawn(work(peer))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let ranks: f64 = (0..replicas).map(|rank| 0.1 * rank as f64).sum();
            for (round, values) in sums[0].chunks_exact(2).enumerate() {
                assert_eq!(values, [ranks, (round * replicas) as f64]);
            }
            assert!(sums.iter().all(|other| *other == sums[0]));
        }
    }

    #[test]
    fn nobody_waits_for_a_replica_that_failed() {
        let (exchange, mut peers) = Exchange::new(2);
        let waiting = thread::spawn(move || peers.remove(0).sum(&mut [1.0]));
        exchange.abandon();
        assert_eq!(waiting.join().unwrap(), Err(EngineError::Replica));
    }
}
