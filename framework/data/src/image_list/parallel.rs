//! Work on every image of a list, on all cores.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Results that may wait to be taken, a worker.
const AHEAD: usize = 4;

/// Calls `work` with 0 to `count - 1` on all cores and hands the results over as they come, in any order. Stops at the first
/// error of `take`.
pub(super) fn in_parallel<T: Send, E>(
    count: usize,
    work: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(count.max(1));
    let next = AtomicUsize::new(0);
    let (sender, results) = crossbeam_channel::bounded(AHEAD * workers);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    // Nobody takes results any more after an error.
                    if position >= count || sender.send((position, work(position))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let results = results;
        for (position, result) in &results {
            take(position, result)?;
        }
        Ok(())
    })
}
