//! Threads that stay awake between the operations of a step.

use crate::EngineError;
use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};

/// A fixed number of threads, the caller's among them, that work through the items of a loop together.
///
/// A training step is several hundred short loops. The threads therefore spin for a moment after each, and sleep only
/// when none follows. A loop never waits for a thread that has not joined it, so that a busy machine delays no loop by
/// more than the items that its threads have begun.
pub struct ThreadPool {
    state: Arc<State>,
    handles: Vec<JoinHandle<()>>,
    /// Held by the caller whose loop runs.
    caller: Mutex<()>,
}

type Task<'a> = dyn Fn(usize, usize) + Sync + 'a;

struct Loop {
    task: *const Task<'static>,
    items: usize,
}

struct State {
    /// Bit 0: a loop is open to be joined; bits 1 to 31: threads in it; from bit 32 on: number of the loop.
    gate: AtomicU64,
    /// The open loop; written only while the gate is closed and nobody is in it.
    current: UnsafeCell<Loop>,
    /// Next item to be claimed.
    next: AtomicUsize,
    /// First panic of the current loop.
    panic: Mutex<Option<String>>,
    stop: AtomicBool,
    /// Which helpers sleep.
    asleep: Vec<AtomicBool>,
}

// SAFETY: `current` is written by the caller alone while the gate is closed and empty, and read by threads that joined
// through the open gate; the gate's acquire and release order the two. The task it points to is `Sync`.
unsafe impl Sync for State {}
// SAFETY: as above; the pointer is only followed inside a loop, while the task is borrowed by the caller.
unsafe impl Send for State {}

const OPEN: u64 = 1;
const ONE_THREAD: u64 = 2;
const THREADS: u64 = (1 << 32) - 2;
const ONE_LOOP: u64 = 1 << 32;

/// Turns of the spin loop before a helper sleeps, about 100 microseconds: longer than any pause inside a step.
const SPINS_BEFORE_SLEEP: u32 = 6_000;
/// Turns before a waiting caller offers its core to others.
const SPINS_BEFORE_YIELD: u32 = 2_000;

impl ThreadPool {
    /// A pool of `threads` threads, the caller's included.
    ///
    /// # Errors
    /// If `threads` is zero or the system refuses to start a thread.
    pub fn new(threads: usize) -> Result<Self, EngineError> {
        if threads == 0 || threads > 1024 {
            return Err(EngineError::Option { option: "threads", found: threads, range: "from 1 to 1024" });
        }
        let state = Arc::new(State {
            gate: AtomicU64::new(0),
            current: UnsafeCell::new(Loop {
                task: std::ptr::from_ref::<Task<'static>>(&|_, _| ()),
                items: 0,
            }),
            next: AtomicUsize::new(0),
            panic: Mutex::new(None),
            stop: AtomicBool::new(false),
            asleep: (1..threads).map(|_| AtomicBool::new(false)).collect(),
        });
        let mut pool = Self { state, handles: Vec::new(), caller: Mutex::new(()) };
        for worker in 1..threads {
            let state = Arc::clone(&pool.state);
            let handle = thread::Builder::new()
                .name(format!("balpoe-{worker}"))
                .spawn(move || state.help(worker))
                .map_err(|error| EngineError::Thread { reason: error.to_string() })?;
            pool.handles.push(handle);
        }
        Ok(pool)
    }

    /// Number of threads, the caller's included.
    pub fn threads(&self) -> usize {
        self.handles.len() + 1
    }

    /// Calls `task(worker, item)` for every item below `items`, in any order, on any thread; `worker` is below
    /// [`threads`](Self::threads) and no two calls with the same worker run at the same time.
    ///
    /// A task must not call `run` of its own pool.
    ///
    /// # Errors
    /// [`EngineError::Panic`] if a task panicked; items that were not begun are then skipped.
    pub fn run(&self, items: usize, task: &(dyn Fn(usize, usize) + Sync)) -> Result<(), EngineError> {
        let _turn = self.caller.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &*self.state;
        if items > 1 && !self.handles.is_empty() {
            // SAFETY: the gate is closed and empty, since the previous caller waited for that before it let go of the
            // turn. The lifetime is erased, but no thread follows the pointer after this function returns.
            unsafe {
                #[expect(clippy::transmute_ptr_to_ptr, reason = "no cast extends a trait object's lifetime")]
                let task = std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task);
                *state.current.get() = Loop { task, items };
            }
            state.next.store(0, Ordering::Relaxed);
            state.gate.fetch_add(ONE_LOOP | OPEN, Ordering::SeqCst);
            for (asleep, handle) in state.asleep.iter().zip(&self.handles) {
                if asleep.load(Ordering::SeqCst) {
                    handle.thread().unpark();
                }
            }
            state.work(0, items, task);
            state.gate.fetch_and(!OPEN, Ordering::SeqCst);
            let mut spins = 0;
            while state.gate.load(Ordering::Acquire) & THREADS != 0 {
                pause(&mut spins, SPINS_BEFORE_YIELD);
            }
        } else {
            state.next.store(0, Ordering::Relaxed);
            state.work(0, items, task);
        }
        let panic = state.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        panic.map_or(Ok(()), |message| Err(EngineError::Panic { message }))
    }
}

/// Waits a moment: spins, and once `limit` is reached also yields.
fn pause(spins: &mut u32, limit: u32) {
    if *spins < limit {
        *spins += 1;
        std::hint::spin_loop();
    } else {
        thread::yield_now();
    }
}

impl State {
    /// Claims and executes items until none is left.
    fn work(&self, worker: usize, items: usize, task: &Task<'_>) {
        let result = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let item = self.next.fetch_add(1, Ordering::Relaxed);
                if item >= items {
                    break;
                }
                task(worker, item);
            }
        }));
        if let Err(payload) = result {
            self.next.store(items, Ordering::Relaxed);
            let mut panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
            panic.get_or_insert(message_of(payload.as_ref()));
        }
    }

    /// Life of a helper: joins every loop that is open, sleeps when none comes.
    fn help(&self, worker: usize) {
        let mut last = 0;
        let mut spins = 0;
        while !self.stop.load(Ordering::Acquire) {
            let gate = self.gate.load(Ordering::Acquire);
            let joinable = gate & OPEN != 0 && gate / ONE_LOOP != last;
            if joinable {
                let joined =
                    self.gate.compare_exchange(gate, gate + ONE_THREAD, Ordering::AcqRel, Ordering::Relaxed);
                if joined.is_ok() {
                    last = gate / ONE_LOOP;
                    // SAFETY: this thread is in the loop, so the caller keeps the task and `current` as they are.
                    unsafe {
                        let Loop { task, items } = &*self.current.get();
                        self.work(worker, *items, &**task);
                    }
                    self.gate.fetch_sub(ONE_THREAD, Ordering::Release);
                }
                spins = 0;
            } else if spins < SPINS_BEFORE_SLEEP {
                spins += 1;
                std::hint::spin_loop();
            } else {
                self.sleep(worker, gate / ONE_LOOP);
                spins = 0;
            }
        }
    }

    /// Sleeps until a loop is opened after loop number `last`.
    fn sleep(&self, worker: usize, last: u64) {
        let asleep = &self.asleep[worker - 1];
        asleep.store(true, Ordering::SeqCst);
        // Either this sees the new loop, or its caller sees this flag: both are sequentially consistent.
        while self.gate.load(Ordering::SeqCst) / ONE_LOOP == last && !self.stop.load(Ordering::SeqCst) {
            thread::park();
        }
        asleep.store(false, Ordering::SeqCst);
    }
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        self.handles.iter().map(JoinHandle::thread).for_each(Thread::unpark);
        for handle in self.handles.drain(..) {
            let _ = handle.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_item_is_worked_once_and_workers_do_not_overlap() {
        for threads in [1, 2, 5] {
            let pool = ThreadPool::new(threads).unwrap();
            assert_eq!(pool.threads(), threads);
            for round in 0..200 {
                let items = round % 17;
                let counts: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
                let busy: Vec<AtomicBool> = (0..threads).map(|_| AtomicBool::new(false)).collect();
                let task = |worker: usize, item: usize| {
                    assert!(!busy[worker].swap(true, Ordering::SeqCst));
                    counts[item].fetch_add(1, Ordering::SeqCst);
                    busy[worker].store(false, Ordering::SeqCst);
                };
                pool.run(items, &task).unwrap();
                assert!(counts.iter().all(|count| count.load(Ordering::SeqCst) == 1));
            }
        }
    }

    #[test]
    fn helpers_that_fell_asleep_wake_up() {
        let pool = ThreadPool::new(2).unwrap();
        thread::sleep(Duration::from_millis(20));
        let helped = AtomicBool::new(false);
        let task = |worker: usize, _: usize| {
            if worker == 1 {
                helped.store(true, Ordering::SeqCst);
            } else {
                thread::sleep(Duration::from_millis(2));
            }
        };
        pool.run(1000, &|worker, item| {
            if !helped.load(Ordering::SeqCst) {
                task(worker, item);
            }
        })
        .unwrap();
        assert!(helped.load(Ordering::SeqCst));
    }

    #[test]
    fn a_panic_becomes_an_error_and_the_pool_lives_on() {
        let pool = ThreadPool::new(3).unwrap();
        for _ in 0..20 {
            let error = pool.run(50, &|_, item| assert!(item != 20, "item 20")).unwrap_err();
            assert_eq!(error, EngineError::Panic { message: "item 20".into() });
        }
        pool.run(50, &|_, _| ()).unwrap();
    }

    #[test]
    fn no_threads_is_refused() {
        assert!(ThreadPool::new(0).is_err());
    }
}
