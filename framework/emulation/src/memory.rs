//! The device's memory: allocations that are known, with a guard behind each.

use balpoe_engine::cuda::Address;
use std::collections::BTreeMap;
use std::slice;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The unit and alignment of allocations.
#[derive(Clone, Copy)]
#[repr(align(256))]
struct Line([u8; 256]);

/// Bytes of the guard, which nothing may write.
const GUARD: u8 = 0xa5;
/// Lines of the guard.
const GUARD_LINES: usize = 16;

struct Allocation {
    bytes: usize,
    lines: Vec<Line>,
}

/// What is allocated, by its address.
pub(crate) struct Memory {
    allocations: Mutex<BTreeMap<u64, Allocation>>,
    size: Mutex<usize>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self { allocations: Mutex::default(), size: Mutex::new(usize::MAX) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Allocation>> {
        self.allocations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that are allocated.
    pub(crate) fn allocated(&self) -> usize {
        self.lock().values().map(|allocation| allocation.bytes).sum()
    }

    pub(crate) fn resize(&self, bytes: usize) {
        *self.size.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }

    /// Zeros; `Err` has the bytes that are free where these do not suffice.
    pub(crate) fn allocate(&self, bytes: usize) -> Result<Address, usize> {
        let size = *self.size.lock().unwrap_or_else(PoisonError::into_inner);
        let free = size.saturating_sub(self.allocated());
        if bytes > free {
            return Err(free);
        }
        let own = bytes.div_ceil(size_of::<Line>());
        let mut lines = vec![Line([0; 256]); own + GUARD_LINES];
        lines[own..].fill(Line([GUARD; 256]));
        let address = lines.as_ptr().expose_provenance() as u64;
        self.lock().insert(address, Allocation { bytes, lines });
        Ok(Address(address))
    }

    /// # Panics
    /// If nothing was allocated there, or something was written behind it.
    pub(crate) fn release(&self, address: Address) {
        let allocation = self.lock().remove(&address.0);
        let Some(Allocation { bytes, lines }) = allocation else {
            panic!("{address:?} is released, and nothing was allocated there");
        };
        let own = bytes.div_ceil(size_of::<Line>());
        let intact = lines[own..].iter().all(|line| line.0 == [GUARD; 256]);
        assert!(intact, "something was written behind the {bytes} bytes at {address:?}");
    }

    /// Whether bytes lie within one allocation; else what is wrong.
    pub(crate) fn check(&self, address: Address, bytes: usize) -> Result<(), String> {
        let allocations = self.lock();
        let below = allocations.range(..=address.0).next_back();
        let end = below.map_or(0, |(start, allocation)| start + allocation.bytes as u64);
        if address.0 + bytes as u64 <= end {
            return Ok(());
        }
        let offset = below.map_or(0, |(start, _)| address.0 - start);
        let size = below.map_or(0, |(_, allocation)| allocation.bytes);
        Err(format!("{bytes} bytes from byte {offset} of an allocation of {size} bytes do not lie within it"))
    }

    /// Bytes of an allocation, to be read and written.
    #[expect(
        clippy::mut_from_ref,
        reason = "what a device's commands write is the device's memory, not this table of it"
    )]
    pub(crate) fn bytes(&self, address: Address, bytes: usize) -> Result<&mut [u8], String> {
        self.check(address, bytes)?;
        // SAFETY: the bytes lie within an allocation, as just checked, that stays until it is released; a device is used by one
        // thread, which holds one command's slices at a time, and those do not overlap.
        Ok(unsafe {
            slice::from_raw_parts_mut(std::ptr::with_exposed_provenance_mut(address.0 as usize), bytes)
        })
    }
}
