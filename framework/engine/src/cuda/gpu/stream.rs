//! Streams and events.

use super::context::Context;
use crate::cuda::Fault;
use cudarc::driver::sys::{self, CUevent, CUstream};

/// A queue of work. It is destroyed with its value, while its context is entered.
pub(super) struct Stream(CUstream);

// SAFETY: the driver lets any thread use a stream.
unsafe impl Send for Stream {}

impl Stream {
    /// A stream that waits for no other.
    pub(super) fn new(context: &Context) -> Result<Self, Fault> {
        let mut handle = std::ptr::null_mut();
        let flags = sys::CUstream_flags_enum::CU_STREAM_NON_BLOCKING as u32;
        // SAFETY: the driver writes to a place that is there.
        context.check(unsafe { sys::cuStreamCreate(&raw mut handle, flags) }, "open a stream")?;
        Ok(Self(handle))
    }

    /// What libraries call it.
    pub(super) fn handle(&self) -> CUstream {
        self.0
    }

    /// Lets what follows on this stream wait until the event, as recorded last, has happened.
    pub(super) fn wait_for(&self, event: &Event, context: &Context) -> Result<(), Fault> {
        // SAFETY: both are open.
        context.check(unsafe { sys::cuStreamWaitEvent(self.0, event.0, 0) }, "order two streams")
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: opened in `new`. The driver destroys it when its work is done.
        let _ = unsafe { sys::cuStreamDestroy_v2(self.0) };
    }
}

/// A point in a stream's work. It is destroyed with its value, while its context is entered.
pub(super) struct Event(CUevent);

// SAFETY: the driver lets any thread use an event.
unsafe impl Send for Event {}

impl Event {
    /// An event that counts as happened until it is recorded.
    pub(super) fn new(context: &Context) -> Result<Self, Fault> {
        let mut handle = std::ptr::null_mut();
        let flags = sys::CUevent_flags_enum::CU_EVENT_DISABLE_TIMING as u32;
        // SAFETY: the driver writes to a place that is there.
        context.check(unsafe { sys::cuEventCreate(&raw mut handle, flags) }, "make an event")?;
        Ok(Self(handle))
    }

    /// What libraries call it.
    pub(super) fn handle(&self) -> CUevent {
        self.0
    }

    /// Lets the event be the end of what the stream was given so far.
    pub(super) fn record(&self, stream: &Stream, context: &Context) -> Result<(), Fault> {
        // SAFETY: both are open.
        context.check(unsafe { sys::cuEventRecord(self.0, stream.0) }, "record an event")
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: made in `new`.
        let _ = unsafe { sys::cuEventDestroy_v2(self.0) };
    }
}
