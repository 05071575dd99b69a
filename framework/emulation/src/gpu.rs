//! The emulated device.

use crate::commands::List;
use crate::kernels::Kernels;
use crate::meeting::Meeting;
use crate::memory::Memory;
use balpoe_engine::cuda::{Address, Arriving, Command, Device, Fault, Prepared, Storage};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A GPU emulated on the processor; clones are the same device.
#[derive(Clone)]
pub struct EmulatedGpu {
    state: Arc<State>,
}

/// What a device and what it has prepared share.
pub(crate) struct State {
    pub(crate) storage: Storage,
    pub(crate) rank: usize,
    pub(crate) kernels: &'static Kernels,
    pub(crate) memory: Memory,
    pub(crate) meeting: Arc<Meeting>,
    /// Lists that it still runs before it is lost.
    pub(crate) lists_left: AtomicUsize,
    /// Bytes that were brought to it.
    pub(crate) uploaded: AtomicUsize,
    /// What its user should know and was not told yet.
    pub(crate) notices: Mutex<Vec<String>>,
}

impl State {
    pub(crate) fn name(&self) -> String {
        format!("emulated:{}", self.rank)
    }

    pub(crate) fn failed(&self, action: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault::Failed { device: self.name(), action: action.into(), message: message.into() }
    }
}

/// Bytes that have come at once, since everything has been done when it is asked for.
struct Arrived(Vec<u8>);

impl Arriving for Arrived {
    fn wait(self: Box<Self>) -> Result<Vec<u8>, Fault> {
        Ok(self.0)
    }
}

impl fmt::Debug for EmulatedGpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.state.name())
    }
}

impl EmulatedGpu {
    /// Devices that add values up; `None` where there is no C++ compiler (`g++`), or `BALPOE_EMULATION` is
    /// `off`.
    pub fn group(devices: usize, storage: Storage) -> Option<Vec<Self>> {
        let kernels = Kernels::get(storage)?;
        let meeting = Arc::new(Meeting::new(devices));
        let device = |rank| {
            let meeting = Arc::clone(&meeting);
            let (memory, lists_left) = (Memory::new(), AtomicUsize::new(usize::MAX));
            let (uploaded, notices) = (AtomicUsize::new(0), Mutex::default());
            let state = State { storage, rank, kernels, memory, meeting, lists_left, uploaded, notices };
            Self { state: Arc::new(state) }
        };
        Some((0..devices).map(device).collect())
    }

    /// Bytes that were allocated and not released.
    pub fn allocated(&self) -> usize {
        self.state.memory.allocated()
    }

    /// Bytes that were brought to it so far.
    pub fn uploaded(&self) -> usize {
        self.state.uploaded.load(Ordering::Relaxed)
    }

    /// Lets the device be lost after it has run so many more lists of commands: every later one fails.
    pub fn lose_after(&self, lists: usize) {
        self.state.lists_left.store(lists, Ordering::Relaxed);
    }

    /// Lets the device have something to tell, as a GPU has that cannot record its commands.
    pub fn notice(&self, text: impl Into<String>) {
        self.state.notices.lock().unwrap_or_else(PoisonError::into_inner).push(text.into());
    }

    /// Gives the device so many bytes of memory; it begins with any number of them.
    pub fn resize(&self, bytes: usize) {
        self.state.memory.resize(bytes);
    }
}

impl Device for EmulatedGpu {
    fn name(&self) -> String {
        self.state.name()
    }

    fn storage(&self) -> Storage {
        self.state.storage
    }

    fn group(&self) -> usize {
        self.state.meeting.devices()
    }

    fn rank(&self) -> usize {
        self.state.rank
    }

    fn allocate(&self, bytes: usize) -> Result<Address, Fault> {
        let full = |free| Fault::Memory { device: self.name(), wanted: bytes, free };
        self.state.memory.allocate(bytes).map_err(full)
    }

    fn release(&self, address: Address) {
        self.state.memory.release(address);
    }

    fn upload(&self, bytes: &[u8], to: Address) -> Result<(), Fault> {
        self.state.uploaded.fetch_add(bytes.len(), Ordering::Relaxed);
        let target = self.state.memory.bytes(to, bytes.len());
        target.map_err(|message| self.state.failed("upload", message))?.copy_from_slice(bytes);
        Ok(())
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), Fault> {
        let source = self.state.memory.bytes(from, bytes.len());
        bytes.copy_from_slice(source.map_err(|message| self.state.failed("download", message))?);
        Ok(())
    }

    fn begin_download(&self, from: Address, bytes: usize) -> Result<Box<dyn Arriving>, Fault> {
        let mut arrived = vec![0; bytes];
        self.download(from, &mut arrived)?;
        Ok(Box::new(Arrived(arrived)))
    }

    fn prepare(&self, commands: Vec<Command>) -> Result<Box<dyn Prepared>, Fault> {
        Ok(Box::new(List::new(Arc::clone(&self.state), commands)?))
    }

    fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.state.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
