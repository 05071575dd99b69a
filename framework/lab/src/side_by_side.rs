//! Work on several cells at a time, never on one cell twice.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use balpoe_core::experiment::Key;

/// Does the work of every key, in their order, `jobs` at a time. Places with the same key wait for each other, since arms may
/// share cells. `work` gets a place and the number of the worker, and may say that nothing new is to begin; what was not begun
/// gives `None`.
pub(crate) fn side_by_side<T: Send>(
    keys: &[Key],
    jobs: usize,
    work: impl Fn(usize, usize) -> (T, ControlFlow<()>) + Sync,
) -> Vec<Option<T>> {
    let state = State { waiting: (0..keys.len()).collect(), busy: BTreeSet::new() };
    let queue = Queue { keys, state: Mutex::new(state), freed: Condvar::new() };
    let results: Vec<Mutex<Option<T>>> = keys.iter().map(|_| Mutex::new(None)).collect();
    let worker = |number: usize| {
        while let Some(mut taken) = queue.take() {
            let (result, flow) = work(taken.place, number);
            *locked(&results[taken.place]) = Some(result);
            taken.last = flow.is_break();
        }
    };
    std::thread::scope(|scope| {
        for number in 1..jobs.min(keys.len()) {
            let worker = &worker;
            scope.spawn(move || worker(number));
        }
        worker(0);
    });
    results.into_iter().map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

/// What is to be done, in order.
struct Queue<'k> {
    keys: &'k [Key],
    state: Mutex<State<'k>>,
    freed: Condvar,
}

struct State<'k> {
    waiting: Vec<usize>,
    busy: BTreeSet<&'k Key>,
}

/// A place that a worker has taken; its key is free again when this is dropped, however the work ended.
struct Taken<'q, 'k> {
    queue: &'q Queue<'k>,
    place: usize,
    /// Whether nothing else is to begin.
    last: bool,
}

impl<'k> Queue<'k> {
    /// The first place whose key nobody works on; waits if there is none, and ends when nothing is left.
    fn take(&self) -> Option<Taken<'_, 'k>> {
        let mut state = locked(&self.state);
        loop {
            let free = |&place: &usize| !state.busy.contains(&self.keys[place]);
            if let Some(position) = state.waiting.iter().position(free) {
                let place = state.waiting.remove(position);
                state.busy.insert(&self.keys[place]);
                return Some(Taken { queue: self, place, last: false });
            }
            if state.waiting.is_empty() {
                return None;
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Taken<'_, '_> {
    fn drop(&mut self) {
        let mut state = locked(&self.queue.state);
        state.busy.remove(&self.queue.keys[self.place]);
        if self.last {
            state.waiting.clear();
        }
        self.queue.freed.notify_all();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    fn keys(names: &[&str]) -> Vec<Key> {
        names.iter().map(|name| Key::of(&json!(name))).collect()
    }

    #[test]
    fn one_worker_goes_in_order() {
        let order = Mutex::new(Vec::new());
        let results = side_by_side(&keys(&["a", "b", "a", "c"]), 1, |place, worker| {
            locked(&order).push((place, worker));
            (place * 10, ControlFlow::Continue(()))
        });
        assert_eq!(results, [Some(0), Some(10), Some(20), Some(30)]);
        assert_eq!(*locked(&order), [(0, 0), (1, 0), (2, 0), (3, 0)]);
    }

    #[test]
    fn several_work_at_a_time_but_never_on_one_key() {
        let keys = keys(&["a", "a", "b", "a", "b", "c", "c", "a"]);
        let (running, most) = (Mutex::new(BTreeSet::new()), AtomicUsize::new(0));
        let results = side_by_side(&keys, 3, |place, _| {
            let at_once = {
                let mut running = locked(&running);
                assert!(running.insert(&keys[place]), "two workers on one key");
                running.len()
            };
            most.fetch_max(at_once, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_millis(5));
            locked(&running).remove(&keys[place]);
            (place, ControlFlow::Continue(()))
        });
        assert_eq!(results, (0..keys.len()).map(Some).collect::<Vec<_>>());
        assert!(most.into_inner() > 1, "nothing ran side by side");
    }

    #[test]
    fn after_the_last_nothing_begins() {
        let results = side_by_side(&keys(&["a", "b", "c"]), 1, |place, _| {
            (place, if place == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        assert_eq!(results, [Some(0), Some(1), None]);
    }
}
