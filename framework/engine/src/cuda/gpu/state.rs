//! All that a GPU's parts share.

use super::context::Context;
use super::convolution::Cudnn;
use super::landing::Landing;
use super::memory::{DeviceMemory, PinnedMemory};
use super::modules::Modules;
use super::product::CublasLt;
use super::recording::Recording;
use super::staging::Staging;
use super::stream::{Event, Stream};
use super::sums::Sums;
use crate::cuda::{Address, Fault, Precision};
use cudarc::driver::sys::{self, CUresult};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Downloads of up to so many bytes (a loss) arrive in memory that the GPU writes by itself.
const LANDING: usize = 64 << 10;

/// Such downloads that may be under way.
const LANDINGS: usize = 3;

/// An open GPU. Its parts are closed in the order in which they stand here.
pub(super) struct State {
    /// By the numbers of the lists that were recorded. They stand here, and not with the lists, because they must go before
    /// the way to the other GPUs does: NCCL waits for every recording that holds a sum, for ever if need be
    /// (`commDestroySync` in NCCL's `init.cc`; NVIDIA, "CUDA graphs must be destroyed before NCCL communicators").
    pub(super) recordings: BTreeMap<usize, Recording>,
    /// None where the group is one GPU.
    pub(super) sums: Option<Sums>,
    pub(super) cudnn: Cudnn,
    pub(super) cublas: CublasLt,
    pub(super) modules: Modules,
    staging: Staging,
    landing: PinnedMemory,
    /// For downloads that are not waited for; those that nobody uses.
    pub(super) landings: Vec<Landing>,
    /// What lists work in beside what they name. One is enough for all, since they run one after the other in one stream.
    workspace: Option<Arc<DeviceMemory>>,
    pub(super) precision: Precision,
    /// Whether lists that are prepared from now on are recorded.
    pub(super) records: bool,
    /// How many lists were recorded.
    pub(super) recorded: usize,
    /// What the user should know and was not told yet.
    pub(super) notices: Vec<String>,
    pub(super) work: Stream,
    pub(super) context: Context,
}

impl State {
    /// Opens the libraries on a GPU whose context is entered.
    pub(super) fn new(
        context: Context,
        sums: Option<Sums>,
        capability: (u32, u32),
        precision: Precision,
    ) -> Result<Self, Fault> {
        let work = Stream::new(&context)?;
        Ok(Self {
            recordings: BTreeMap::new(),
            sums,
            cudnn: Cudnn::open(&work, &context)?,
            cublas: CublasLt::open(&context)?,
            modules: Modules::load(capability, precision.storage(), &context)?,
            staging: Staging::new(&context)?,
            landing: PinnedMemory::new(LANDING, &context)?,
            // Memory of the host is taken before anything is summed: taking it may wait for all GPUs that know each other.
            landings: (0..LANDINGS).map(|_| Landing::new(LANDING, &context)).collect::<Result<_, _>>()?,
            workspace: None,
            precision,
            records: true,
            recorded: 0,
            notices: Vec::new(),
            work,
            context,
        })
    }

    /// Does something on this GPU, by whatever thread; where it fails, the others of the group need not wait.
    pub(super) fn enter<T>(
        &mut self,
        action: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let done = self.context.enter().and_then(|()| action(self));
        if done.is_err() {
            self.leave_group();
        }
        done
    }

    /// The same for what comes before any work: too little memory leaves the group as it is.
    pub(super) fn enter_to_prepare<T>(
        &mut self,
        action: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let done = self.context.enter().and_then(|()| action(self));
        if !matches!(done, Ok(_) | Err(Fault::Memory { .. })) {
            self.leave_group();
        }
        done
    }

    /// Says that this GPU will do no more sums, and gives up on those that the others will not come to.
    fn leave_group(&mut self) {
        if let Some(sums) = &mut self.sums {
            sums.group().fail();
            self.recordings.clear();
            sums.abort();
        }
    }

    /// The workspace, of so many bytes or more. A larger one takes the place of one that was too small; lists that have that
    /// one keep it, and wait for their work before they let it go.
    pub(super) fn workspace(&mut self, bytes: usize) -> Result<Arc<DeviceMemory>, Fault> {
        if let Some(memory) = self.workspace.as_ref().filter(|memory| memory.bytes() >= bytes) {
            return Ok(Arc::clone(memory));
        }
        // If no list has it, it goes before there is another.
        self.workspace = None;
        let memory = Arc::new(DeviceMemory::new(bytes, &self.context)?);
        self.workspace = Some(Arc::clone(&memory));
        Ok(memory)
    }

    pub(super) fn clear(&self, address: Address, bytes: usize) -> Result<(), Fault> {
        // SAFETY: whoever asks vouches for the memory.
        let status = unsafe { sys::cuMemsetD8Async(address.0, 0, bytes, self.work.handle()) };
        self.context.check(status, format_args!("clear {bytes} bytes"))
    }

    pub(super) fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), Fault> {
        // SAFETY: whoever asks vouches for the memory.
        let status = unsafe { sys::cuMemcpyDtoDAsync_v2(to.0, from.0, bytes, self.work.handle()) };
        self.context.check(status, format_args!("copy {bytes} bytes"))
    }

    pub(super) fn upload(&mut self, bytes: &[u8], to: Address) -> Result<(), Fault> {
        let Self { staging, work, context, sums, .. } = self;
        let wait = |event: &Event| wait_for_event(event, sums.as_ref(), context);
        staging.upload(bytes, to, work, context, wait)
    }

    pub(super) fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), Fault> {
        let (len, work) = (bytes.len(), self.work.handle());
        let action = || format!("download {len} bytes");
        if len <= LANDING {
            // SAFETY: the caller vouches for the source; the landing has room and belongs to this thread.
            let status = unsafe { sys::cuMemcpyDtoHAsync_v2(self.landing.start().cast(), from.0, len, work) };
            self.context.check(status, format_args!("{}", action()))?;
            self.wait()?;
            // SAFETY: the bytes have arrived.
            unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(self.landing.start(), len) };
            return Ok(());
        }
        // Memory of the caller is not given away while another GPU may keep this one waiting.
        self.wait()?;
        // SAFETY: the caller vouches for the source, and waits here until the bytes have arrived.
        let status = unsafe { sys::cuMemcpyDtoHAsync_v2(bytes.as_mut_ptr().cast(), from.0, len, work) };
        // SAFETY: the stream is open.
        let waited = unsafe { sys::cuStreamSynchronize(work) };
        self.context.check(status, format_args!("{}", action()))?;
        self.context.check(waited, format_args!("{}", action()))
    }

    /// Waits for an event, unless another GPU of the group keeps it from happening.
    pub(super) fn wait_for(&self, event: &Event) -> Result<(), Fault> {
        wait_for_event(event, self.sums.as_ref(), &self.context)
    }

    /// Waits for all work, unless another GPU of the group keeps it from ending.
    pub(super) fn wait(&self) -> Result<(), Fault> {
        let Some(sums) = &self.sums else {
            // SAFETY: the stream is open.
            return self.context.check(unsafe { sys::cuStreamSynchronize(self.work.handle()) }, WAIT);
        };
        // SAFETY: the stream is open.
        wait_beside_others(sums, &self.context, || unsafe { sys::cuStreamQuery(self.work.handle()) })
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = self.context.enter();
        if self.sums.as_ref().is_some_and(|sums| sums.group().has_failed()) {
            self.leave_group();
        }
        let _ = self.wait();
    }
}

const WAIT: &str = "finish what it was asked for";

fn wait_for_event(event: &Event, sums: Option<&Sums>, context: &Context) -> Result<(), Fault> {
    let Some(sums) = sums else {
        // SAFETY: the event is there.
        return context.check(unsafe { sys::cuEventSynchronize(event.handle()) }, WAIT);
    };
    // SAFETY: as above.
    wait_beside_others(sums, context, || unsafe { sys::cuEventQuery(event.handle()) })
}

/// Waits for what may itself wait for another GPU, until that one has failed.
fn wait_beside_others(sums: &Sums, context: &Context, query: impl Fn() -> CUresult) -> Result<(), Fault> {
    loop {
        match query() {
            CUresult::CUDA_ERROR_NOT_READY if sums.group().has_failed() => return Err(Fault::Peer),
            CUresult::CUDA_ERROR_NOT_READY => std::thread::yield_now(),
            status => return context.check(status, WAIT),
        }
    }
}
