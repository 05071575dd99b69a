//! Memory of the GPU, and memory of the host that the GPU reads by itself.

use super::context::Context;
use crate::cuda::{Address, Fault};
use cudarc::driver::sys::{self, CUresult};

/// Takes memory of the GPU.
pub(super) fn allocate(bytes: usize, context: &Context) -> Result<Address, Fault> {
    let mut address = 0;
    // SAFETY: the driver writes to a place that is there.
    let status = unsafe { sys::cuMemAlloc_v2(&raw mut address, bytes.max(1)) };
    if status == CUresult::CUDA_ERROR_OUT_OF_MEMORY {
        let (mut free, mut all) = (0, 0);
        // SAFETY: as above.
        let status = unsafe { sys::cuMemGetInfo_v2(&raw mut free, &raw mut all) };
        context.check(status, "say how much memory is free")?;
        return Err(Fault::Memory { device: context.name().to_owned(), wanted: bytes, free });
    }
    context.check(status, format_args!("give {bytes} bytes of memory"))?;
    Ok(Address(address))
}

/// Gives memory of the GPU back.
///
/// # Safety
/// [`allocate`] gave it, and nothing uses it any more.
pub(super) unsafe fn release(address: Address) {
    // SAFETY: the caller's word. A refusal means that the device is lost, which the next call on it reports.
    let _ = unsafe { sys::cuMemFree_v2(address.0) };
}

/// Memory of the GPU that goes with its value, while its context is entered.
pub(super) struct DeviceMemory {
    address: Address,
    bytes: usize,
}

impl DeviceMemory {
    pub(super) fn new(bytes: usize, context: &Context) -> Result<Self, Fault> {
        allocate(bytes, context).map(|address| Self { address, bytes })
    }

    pub(super) fn address(&self) -> Address {
        self.address
    }

    /// How much it is.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        // SAFETY: whoever drops it has waited for what uses it.
        unsafe { release(self.address) };
    }
}

/// Memory of the host that the GPU reads and writes while the host goes on.
pub(super) struct PinnedMemory {
    start: *mut u8,
    bytes: usize,
}

// SAFETY: the memory belongs to this value alone; the driver lets any thread free it.
unsafe impl Send for PinnedMemory {}

impl PinnedMemory {
    pub(super) fn new(bytes: usize, context: &Context) -> Result<Self, Fault> {
        let mut start = std::ptr::null_mut();
        // SAFETY: the driver writes to a place that is there.
        let status = unsafe { sys::cuMemAllocHost_v2(&raw mut start, bytes.max(1)) };
        context.check(status, format_args!("give {bytes} bytes of the host's memory"))?;
        Ok(Self { start: start.cast(), bytes })
    }

    /// How much it is.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its first byte.
    pub(super) fn start(&self) -> *mut u8 {
        self.start
    }
}

impl Drop for PinnedMemory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`; whoever drops it has waited for what uses it.
        let _ = unsafe { sys::cuMemFreeHost(self.start.cast()) };
    }
}
