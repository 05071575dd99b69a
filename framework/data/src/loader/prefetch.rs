//! Threads that make batches ahead of the consumer, in order and within bounds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use balpoe_core::components::DataError;
use crossbeam_channel::{Receiver, Sender};

use super::LoadedBatch;
use super::epoch::Epoch;

/// Batches that a worker may have finished or begun before the consumer wants them.
const AHEAD_PER_WORKER: usize = 2;

/// The batches of one epoch, in order. Ends after the first error. Dropping it stops its threads.
#[derive(Debug)]
pub struct Loader {
    epoch: Arc<Epoch>,
    /// The next batch to hand out.
    next: usize,
    workers: Option<Workers>,
}

impl Loader {
    pub(super) fn new(epoch: Epoch, first: usize, workers: usize) -> Self {
        let epoch = Arc::new(epoch);
        let first = first.min(epoch.batches());
        let workers = workers.min(epoch.batches() - first);
        let workers = (workers > 0).then(|| Workers::start(&epoch, first, workers));
        Self { epoch, next: first, workers }
    }
}

impl Iterator for Loader {
    type Item = Result<LoadedBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.epoch.batches() {
            return None;
        }
        let index = self.next;
        self.next += 1;
        let batch = match &mut self.workers {
            Some(workers) => workers.take(index),
            None => self.epoch.batch(index),
        };
        if batch.is_err() {
            self.next = self.epoch.batches();
            self.workers = None;
        }
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.epoch.batches() - self.next))
    }
}

/// Threads that turn tickets (indices of batches) into batches. There are only as many tickets under way as may be ahead, which
/// bounds the memory; batches that come out early wait.
#[derive(Debug)]
struct Workers {
    epoch: Arc<Epoch>,
    tickets: Option<Sender<usize>>,
    /// The next ticket to hand out.
    next: usize,
    finished: Receiver<(usize, Result<LoadedBatch, DataError>)>,
    early: BTreeMap<usize, Result<LoadedBatch, DataError>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    fn start(epoch: &Arc<Epoch>, first: usize, count: usize) -> Self {
        let (ticket_sender, tickets) = crossbeam_channel::unbounded();
        let (finished_sender, finished) = crossbeam_channel::unbounded();
        let spawn = |i| {
            let (epoch, tickets, finished) = (Arc::clone(epoch), tickets.clone(), finished_sender.clone());
            let work = move || {
                // Either end hanging up means that nobody wants more.
                for index in tickets {
                    if finished.send((index, epoch.batch(index))).is_err() {
                        break;
                    }
                }
            };
            // A system that gives no more threads has fewer workers; with none at all, the consumer makes the batches.
            Builder::new().name(format!("loader-{i}")).spawn(work).ok()
        };
        let threads: Vec<_> = (0..count).map_while(spawn).collect();
        let mut workers = Self {
            epoch: Arc::clone(epoch),
            tickets: Some(ticket_sender),
            next: first,
            finished,
            early: BTreeMap::new(),
            threads,
        };
        for _ in 0..AHEAD_PER_WORKER * workers.threads.len() {
            workers.hand_out();
        }
        workers
    }

    fn hand_out(&mut self) {
        if let Some(tickets) = &self.tickets
            && self.next < self.epoch.batches()
        {
            // Sending fails only if every worker is gone, and then `take` makes the batch itself.
            let _ = tickets.send(self.next);
            self.next += 1;
        }
    }

    fn take(&mut self, index: usize) -> Result<LoadedBatch, DataError> {
        self.hand_out();
        loop {
            if let Some(batch) = self.early.remove(&index) {
                return batch;
            }
            match self.finished.recv() {
                Ok((finished, batch)) => self.early.insert(finished, batch),
                Err(_) => return self.epoch.batch(index),
            };
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.tickets = None;
        self.finished = crossbeam_channel::never();
        for thread in self.threads.drain(..) {
            // A worker does not panic: `Epoch::batch` catches what components throw.
            let _ = thread.join();
        }
    }
}
