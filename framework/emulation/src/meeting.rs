//! Where the devices of a group add values up.

use balpoe_engine::cuda::{Fault, Number};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A device that has not come by then never will.
const PATIENCE: Duration = Duration::from_mins(1);

/// The meeting place of a group.
pub(crate) struct Meeting {
    round: Mutex<Round>,
    bell: Condvar,
}

struct Round {
    /// What each rank brings.
    brought: Vec<Option<Vec<u8>>>,
    /// How many have taken the sums.
    taken: usize,
    /// Whether a device failed and will not come.
    is_abandoned: bool,
}

impl Meeting {
    pub(crate) fn new(devices: usize) -> Self {
        let round = Round { brought: vec![None; devices], taken: 0, is_abandoned: false };
        Self { round: Mutex::new(round), bell: Condvar::new() }
    }

    pub(crate) fn devices(&self) -> usize {
        self.round.lock().unwrap_or_else(PoisonError::into_inner).brought.len()
    }

    /// Lets the others go.
    pub(crate) fn abandon(&self) {
        self.round.lock().unwrap_or_else(PoisonError::into_inner).is_abandoned = true;
        self.bell.notify_all();
    }

    /// The sums of what all devices bring, added in the order of ranks.
    pub(crate) fn sum(&self, rank: usize, bytes: Vec<u8>, number: Number) -> Result<Vec<u8>, Fault> {
        let round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        // Some may not have taken the sums of the round before.
        let earlier = |round: &mut Round| round.brought[rank].is_some() && !round.is_abandoned;
        let waited = self.bell.wait_timeout_while(round, PATIENCE, earlier);
        let (mut round, late) = waited.unwrap_or_else(PoisonError::into_inner);
        if round.is_abandoned || late.timed_out() {
            return Err(Fault::Peer);
        }
        round.brought[rank] = Some(bytes);
        self.bell.notify_all();
        let incomplete = |round: &mut Round| !round.is_abandoned && round.brought.iter().any(Option::is_none);
        let waited = self.bell.wait_timeout_while(round, PATIENCE, incomplete);
        let (mut round, late) = waited.unwrap_or_else(PoisonError::into_inner);
        if round.is_abandoned || late.timed_out() {
            return Err(Fault::Peer);
        }
        let sums = add(&round.brought, number);
        round.taken += 1;
        if round.taken == round.brought.len() {
            round.taken = 0;
            round.brought.fill(None);
            self.bell.notify_all();
        }
        Ok(sums)
    }
}

/// # Panics
/// If devices do not bring equally many values.
fn add(brought: &[Option<Vec<u8>>], number: Number) -> Vec<u8> {
    let mut all = brought.iter().flatten();
    let mut sums = all.next().cloned().unwrap_or_default();
    for other in all {
        assert_eq!(sums.len(), other.len(), "devices add up different numbers of values");
        match number {
            Number::Single => {
                for (sum, other) in sums.as_chunks_mut::<4>().0.iter_mut().zip(other.as_chunks::<4>().0) {
                    *sum = (f32::from_ne_bytes(*sum) + f32::from_ne_bytes(*other)).to_ne_bytes();
                }
            }
            Number::Double => {
                for (sum, other) in sums.as_chunks_mut::<8>().0.iter_mut().zip(other.as_chunks::<8>().0) {
                    *sum = (f64::from_ne_bytes(*sum) + f64::from_ne_bytes(*other)).to_ne_bytes();
                }
            }
        }
    }
    sums
}
