use std::time::Instant;

/// Time that one operation has taken, as [`CpuExecutor::timings`](super::CpuExecutor::timings) reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationTime {
    /// The operation's name in the network and its pass: `layer1.0.conv1 forward`.
    pub name: String,
    /// The kernel, such as `winograd`.
    pub kernel: String,
    /// Seconds in all.
    pub seconds: f64,
    /// Seconds of the shortest run, which other work on the machine disturbed least.
    pub best: f64,
    /// How often it ran.
    pub runs: u64,
    /// Multiply-adds of one run, as a direct computation would need them.
    pub multiply_adds: u64,
    /// Bytes of feature maps that one run reads and writes in memory.
    pub bytes: u64,
}

/// A pass over a step of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    Forward,
    Backward,
}

/// Measures operations when switched on; costs a comparison when not.
#[derive(Debug, Default)]
pub(super) struct Timer {
    on: bool,
    measured: Vec<(usize, Pass, OperationTime)>,
}

impl Timer {
    /// Forgets everything and starts or stops.
    pub(super) fn restart(&mut self, on: bool) {
        *self = Self { on, measured: Vec::new() };
    }

    pub(super) fn report(&self) -> Vec<OperationTime> {
        self.measured.iter().map(|(_, _, time)| time.clone()).collect()
    }

    /// The time now, if measuring.
    pub(super) fn start(&self) -> Option<Instant> {
        self.on.then(Instant::now)
    }

    /// Books the time since `start` on a pass over a step; `describe` makes the entry, with no time and no runs, when it
    /// is the first.
    pub(super) fn stop(
        &mut self,
        start: Option<Instant>,
        step: usize,
        pass: Pass,
        describe: impl FnOnce() -> OperationTime,
    ) {
        let Some(start) = start else { return };
        let seconds = start.elapsed().as_secs_f64();
        let place = self.measured.iter().position(|entry| (entry.0, entry.1) == (step, pass));
        let place = place.unwrap_or_else(|| {
            self.measured.push((step, pass, describe()));
            self.measured.len() - 1
        });
        let entry = &mut self.measured[place].2;
        entry.best = if entry.runs == 0 { seconds } else { entry.best.min(seconds) };
        entry.seconds += seconds;
        entry.runs += 1;
    }
}
