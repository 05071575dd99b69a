//! Work that is recorded once and replayed at the cost of one call: CUDA graphs.

use super::context::Context;
use super::stream::Stream;
use crate::cuda::Fault;
use cudarc::driver::sys::{self, CUgraph, CUgraphExec, CUstreamCaptureMode};

/// Recorded work. It is destroyed with its value, while its context is entered.
pub(super) struct Recording(CUgraphExec);

// SAFETY: the driver lets any thread use a graph, one at a time.
unsafe impl Send for Recording {}

impl Recording {
    /// Records what `issue` gives to the stream, and to others that wait for it and that it waits for. Nothing is computed.
    pub(super) fn of(
        stream: &Stream,
        context: &Context,
        issue: impl FnOnce() -> Result<(), Fault>,
    ) -> Result<Self, Fault> {
        // What other threads do on the same GPU is none of this recording's business.
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is open.
        let status = unsafe { sys::cuStreamBeginCapture_v2(stream.handle(), mode) };
        context.check(status, "begin to record")?;
        let issued = issue();
        // Whatever happened, the stream must leave the recording.
        let mut graph = Graph(std::ptr::null_mut());
        // SAFETY: as above; the driver writes to a place that is there.
        let status = unsafe { sys::cuStreamEndCapture(stream.handle(), &raw mut graph.0) };
        issued?;
        context.check(status, "end to record")?;
        let mut replayed = std::ptr::null_mut();
        // SAFETY: the graph is there.
        let status = unsafe { sys::cuGraphInstantiateWithFlags(&raw mut replayed, graph.0, 0) };
        context.check(status, "prepare what was recorded")?;
        Ok(Self(replayed))
    }

    /// Begins the work.
    pub(super) fn replay(&self, stream: &Stream, context: &Context) -> Result<(), Fault> {
        // SAFETY: both are there, and so is the memory that was recorded, as the commands' author vouches.
        context.check(unsafe { sys::cuGraphLaunch(self.0, stream.handle()) }, "replay recorded work")
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // SAFETY: made in `of`; the driver lets work that was begun come to its end.
        let _ = unsafe { sys::cuGraphExecDestroy(self.0) };
    }
}

/// What was recorded, before it is prepared.
struct Graph(CUgraph);

impl Drop for Graph {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the driver gave it at the end of a recording.
            let _ = unsafe { sys::cuGraphDestroy(self.0) };
        }
    }
}
