//! Downloads that nobody waits for yet.

use super::context::Context;
use super::memory::PinnedMemory;
use super::state::State;
use super::stream::Event;
use crate::cuda::{Address, Arriving, Fault};
use cudarc::driver::sys;
use std::sync::{Arc, Mutex, PoisonError};

/// Memory of the host that the GPU writes by itself, and the event that it has. Downloads take one that nobody uses, and give it
/// back; it goes with the GPU.
pub(super) struct Landing {
    memory: PinnedMemory,
    arrived: Event,
}

impl Landing {
    pub(super) fn new(bytes: usize, context: &Context) -> Result<Self, Fault> {
        Ok(Self { memory: PinnedMemory::new(bytes, context)?, arrived: Event::new(context)? })
    }
}

/// Bytes on their way to the host.
pub(super) struct Flight {
    /// None once it was waited for.
    landing: Option<Landing>,
    bytes: usize,
    device: Arc<Mutex<State>>,
}

impl Flight {
    /// Begins a download on a GPU whose context is entered.
    pub(super) fn begin(
        from: Address,
        bytes: usize,
        state: &mut State,
        device: Arc<Mutex<State>>,
    ) -> Result<Self, Fault> {
        let State { landings, work, context, .. } = state;
        let fitting = landings.iter().position(|landing| bytes <= landing.memory.bytes());
        let landing = match fitting {
            Some(place) => landings.swap_remove(place),
            None => Landing::new(bytes, context)?,
        };
        let start = landing.memory.start().cast();
        // SAFETY: the caller vouches for the source; the landing has room, and lives until the bytes have arrived.
        let status = unsafe { sys::cuMemcpyDtoHAsync_v2(start, from.0, bytes, work.handle()) };
        let begun = context
            .check(status, format_args!("begin to download {bytes} bytes"))
            .and_then(|()| landing.arrived.record(work, context));
        match begun {
            Ok(()) => Ok(Self { landing: Some(landing), bytes, device }),
            Err(fault) => {
                // It may have been begun all the same.
                landings.push(landing);
                Err(fault)
            }
        }
    }

    /// Waits, unless that was done; the bytes are `None` then.
    fn land(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let Some(landing) = self.landing.take() else { return Ok(None) };
        let mut device = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        device.enter(|state| {
            let arrived = state.wait_for(&landing.arrived).map(|()| {
                let mut bytes = vec![0; self.bytes];
                // SAFETY: the bytes have arrived, and there are as many.
                unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(landing.memory.start(), self.bytes) };
                bytes
            });
            // Also where another GPU has failed: this one may still write, and to free memory would wait for it, for ever.
            state.landings.push(landing);
            arrived.map(Some)
        })
    }
}

impl Arriving for Flight {
    fn wait(mut self: Box<Self>) -> Result<Vec<u8>, Fault> {
        self.land().map(Option::unwrap_or_default)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // The memory must not go while the GPU may write to it.
        let _ = self.land();
    }
}
