//! How kernels are timed by themselves.

use super::memory::Buffer;
use std::time::Instant;

/// The least time of many short repetitions.
pub(super) fn best_seconds(mut run: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    let mut repeats = 0;
    while repeats < 3 || begin.elapsed().as_millis() < 200 && repeats < 1000 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
        repeats += 1;
    }
    best
}

/// Values in [-0.5, 0.5), so that no sum overflows or becomes subnormal.
pub(super) fn noise(len: usize) -> Buffer {
    let mut buffer = Buffer::zeroed(len);
    let mut state = 1_u64;
    for value in &mut *buffer {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *value = (state >> 40) as f32 / (1 << 24) as f32 - 0.5;
    }
    buffer
}
