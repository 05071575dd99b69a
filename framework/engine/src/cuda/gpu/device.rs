//! A GPU as executors see it.

use super::context::Context;
use super::landing::Flight;
use super::memory;
use super::prepared::List;
use super::state::State;
use super::sums::{Communicator, Group, Sums};
use crate::cuda::{
    Address, Arriving, Command, Cuda, Device, Fault, LibraryKind, Precision, Prepared, Storage,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An NVIDIA GPU.
///
/// Lists of commands are recorded when they run for the second time and replayed from then on (CUDA graphs). Algorithms of
/// cuDNN and cuBLASLt are chosen by rules, never by timing, and only those that give the same bits each time.
pub struct Gpu {
    name: String,
    storage: Storage,
    group: usize,
    rank: usize,
    state: Arc<Mutex<State>>,
}

impl Gpu {
    /// Opens GPUs that work on the same batches, in the order of their ranks.
    ///
    /// # Errors
    /// If a library is missing, there is no such GPU, or the driver refuses.
    pub fn open_group(ordinals: &[usize], precision: Precision) -> Result<Vec<Self>, Fault> {
        let machine = Cuda::probe();
        let refused = |ordinal: usize, message: String| Fault::Failed {
            device: format!("cuda:{ordinal}"),
            action: "open".into(),
            message,
        };
        let &first = ordinals.first().ok_or_else(|| refused(0, "no device was named".into()))?;
        if let Some(obstacle) = machine.obstacle() {
            return Err(refused(first, obstacle));
        }
        if ordinals.len() > 1 && !machine.has(LibraryKind::Nccl) {
            let message =
                "NCCL, which adds up over several GPUs, is missing; `balpoe doctor` says how to get it";
            return Err(refused(first, message.into()));
        }
        let gpus = machine.gpus.unwrap_or_default();
        let mut opened = Vec::new();
        for &ordinal in ordinals {
            let gpu = gpus.get(ordinal).ok_or_else(|| refused(ordinal, "there is no such GPU".into()))?;
            let context = Context::open(ordinal, format!("cuda:{ordinal} ({})", gpu.name))?;
            opened.push((context, gpu.capability));
        }
        let mut communicators = match ordinals {
            [_] => Vec::new(),
            _ => Communicator::group(ordinals, &opened[0].0)?,
        }
        .into_iter();
        let shared = Arc::new(Group::default());
        let group = ordinals.len();
        let mut gpus = Vec::new();
        for (rank, (context, capability)) in opened.into_iter().enumerate() {
            context.enter()?;
            let name = context.name().to_owned();
            let sums = communicators.next();
            let sums = sums.map(|own| Sums::new(own, Arc::clone(&shared), &context)).transpose()?;
            let state = Arc::new(Mutex::new(State::new(context, sums, capability, precision)?));
            gpus.push(Self { name, storage: precision.storage(), group, rank, state });
        }
        Ok(gpus)
    }

    /// Whether lists that are prepared from now on are recorded; they are, unless this says otherwise.
    pub fn set_recording(&self, records: bool) {
        self.lock().records = records;
    }

    /// How many lists were recorded so far.
    pub fn recorded(&self) -> usize {
        self.lock().recorded
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // Whoever still waits for this one would wait for ever.
        if let Some(sums) = &self.lock().sums {
            sums.group().fail();
        }
    }
}

impl Device for Gpu {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn storage(&self) -> Storage {
        self.storage
    }

    fn group(&self) -> usize {
        self.group
    }

    fn rank(&self) -> usize {
        self.rank
    }

    fn allocate(&self, bytes: usize) -> Result<Address, Fault> {
        self.lock().enter_to_prepare(|state| {
            let address = memory::allocate(bytes, &state.context)?;
            state.clear(address, bytes.max(1))?;
            Ok(address)
        })
    }

    fn release(&self, address: Address) {
        let waited = self.lock().enter(|state| state.wait());
        // Where the device has failed, its memory goes with the process.
        if waited.is_ok() {
            // SAFETY: `allocate` gave it, the work so far is done, and the caller's word is that nothing else uses it.
            unsafe { memory::release(address) };
        }
    }

    fn upload(&self, bytes: &[u8], to: Address) -> Result<(), Fault> {
        // It may take room first, which may be too little; then nothing was begun.
        self.lock().enter_to_prepare(|state| state.upload(bytes, to))
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), Fault> {
        self.lock().enter(|state| state.download(from, bytes))
    }

    fn begin_download(&self, from: Address, bytes: usize) -> Result<Box<dyn Arriving>, Fault> {
        let device = Arc::clone(&self.state);
        let flight = self.lock().enter(|state| Flight::begin(from, bytes, state, device))?;
        Ok(Box::new(flight))
    }

    fn prepare(&self, commands: Vec<Command>) -> Result<Box<dyn Prepared>, Fault> {
        let device = Arc::clone(&self.state);
        let list = self.lock().enter_to_prepare(|state| List::new(commands, state, device))?;
        Ok(Box::new(list))
    }

    fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().notices)
    }
}
