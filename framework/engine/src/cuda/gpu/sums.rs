//! Sums over the GPUs of a group, by NCCL, beside other work.

use super::context::Context;
use super::stream::{Event, Stream};
use crate::cuda::{Address, Fault, Number};
use cudarc::nccl::sys::{self, ncclComm_t, ncclDataType_t, ncclRedOp_t};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a GPU of a group has failed, so that no sum comes to an end any more.
#[derive(Default)]
pub(super) struct Group {
    failed: AtomicBool,
}

impl Group {
    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

/// A rank's way to the others of its group.
pub(super) struct Communicator(ncclComm_t);

// SAFETY: a communicator may change threads, if one uses it at a time.
unsafe impl Send for Communicator {}

impl Communicator {
    /// One for each GPU, in their order. NCCL must have been found; `context` is any of them, for messages.
    pub(super) fn group(ordinals: &[usize], context: &Context) -> Result<Vec<Self>, Fault> {
        let list: Vec<i32> = ordinals.iter().map(|&ordinal| ordinal as i32).collect();
        let mut handles = vec![std::ptr::null_mut(); list.len()];
        // SAFETY: there are as many places and numbers as the library is told.
        let status = unsafe { sys::ncclCommInitAll(handles.as_mut_ptr(), list.len() as i32, list.as_ptr()) };
        context.check(status, format_args!("join a group of {} GPUs", list.len()))?;
        Ok(handles.into_iter().map(Self).collect())
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        // Destroying waits for the other ranks to do the same, in this process perhaps by this very thread; aborting waits
        // for nobody, and whoever drops this has waited for the sums that matter.
        // SAFETY: made in `group`.
        let _ = unsafe { sys::ncclCommAbort(self.0) };
    }
}

/// What sums take: a stream of their own, in which they happen in their order on every GPU.
pub(super) struct Sums {
    /// None once the group has failed.
    communicator: Option<Communicator>,
    stream: Stream,
    /// The work before a sum is done.
    ready: Event,
    /// The sums are done.
    done: Event,
    group: Arc<Group>,
}

impl Sums {
    pub(super) fn new(
        communicator: Communicator,
        group: Arc<Group>,
        context: &Context,
    ) -> Result<Self, Fault> {
        Ok(Self {
            communicator: Some(communicator),
            stream: Stream::new(context)?,
            ready: Event::new(context)?,
            done: Event::new(context)?,
            group,
        })
    }

    pub(super) fn group(&self) -> &Group {
        &self.group
    }

    /// Begins a sum when the work so far is done.
    pub(super) fn begin(
        &self,
        (address, len, number): (Address, usize, Number),
        work: &Stream,
        context: &Context,
    ) -> Result<(), Fault> {
        let Some(communicator) = &self.communicator else { return Err(Fault::Peer) };
        self.ready.record(work, context)?;
        self.stream.wait_for(&self.ready, context)?;
        let number = match number {
            Number::Single => ncclDataType_t::ncclFloat32,
            Number::Double => ncclDataType_t::ncclFloat64,
        };
        let place = address.0 as *mut c_void;
        // SAFETY: the command's author vouches for the values; everything else is open.
        let status = unsafe {
            let (sum, stream) = (ncclRedOp_t::ncclSum, self.stream.handle().cast());
            sys::ncclAllReduce(place, place, len, number, sum, communicator.0, stream)
        };
        context.check(status, format_args!("add up {len} values over the group"))
    }

    /// Lets later work wait for the sums that were begun.
    pub(super) fn end(&self, work: &Stream, context: &Context) -> Result<(), Fault> {
        self.done.record(&self.stream, context)?;
        work.wait_for(&self.done, context)
    }

    /// Gives up on sums that another GPU will not come to.
    pub(super) fn abort(&mut self) {
        self.communicator = None;
    }
}
