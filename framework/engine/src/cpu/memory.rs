//! Aligned, zeroed memory and pointers into it that threads share.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;

/// Cache line and vector register.
const LINE: usize = 64;
/// Allocations from this size on are aligned for, and advised to use, huge pages: the translation of 4 KiB pages costs
/// more than the arithmetic of an elementwise pass.
const HUGE: usize = 2 << 20;

/// Zero-initialised `f32` memory, aligned to cache lines, in huge pages where large.
pub(crate) struct Buffer {
    start: NonNull<f32>,
    len: usize,
}

// SAFETY: a buffer owns its memory as a `Vec` does.
unsafe impl Send for Buffer {}
// SAFETY: shared access only reads, or goes through `Shared`, whose users keep to disjoint parts.
unsafe impl Sync for Buffer {}

impl Buffer {
    pub(crate) fn zeroed(len: usize) -> Self {
        let layout = Self::layout(len);
        // SAFETY: the layout's size is never zero.
        let memory = unsafe { alloc(layout) };
        #[expect(clippy::cast_ptr_alignment, reason = "the layout is aligned to cache lines at least")]
        let Some(start) = NonNull::new(memory.cast::<f32>()) else { handle_alloc_error(layout) };
        if layout.align() == HUGE {
            advise_huge_pages(memory, layout.size());
        }
        // SAFETY: the allocation holds `size` bytes, and zero bytes are `f32` zeros.
        unsafe { memory.write_bytes(0, layout.size()) };
        Self { start, len }
    }

    fn layout(len: usize) -> Layout {
        let bytes = (len * size_of::<f32>()).next_multiple_of(LINE).max(LINE);
        let align = if bytes >= HUGE { HUGE } else { LINE };
        Layout::from_size_align(bytes, align).expect("a buffer fits the address space")
    }

    /// A pointer for threads that write disjoint parts; no slice of the buffer may be in use meanwhile.
    pub(crate) fn shared(&self) -> Shared {
        Shared(self.start.as_ptr())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated with the same layout.
        unsafe { dealloc(self.start.as_ptr().cast(), Self::layout(self.len)) }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `len` initialised values from `start`.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and the borrow is exclusive.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// Start of a buffer that several threads read and write at the same time, each its own part.
#[derive(Clone, Copy)]
pub(crate) struct Shared(*mut f32);

// SAFETY: only `at`, `slice` and `slice_mut` use the pointer, and their callers vouch for disjointness.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Start of a slice that may be read, not written, for as long as it is borrowed.
    pub(crate) fn reading(slice: &[f32]) -> Self {
        Self(slice.as_ptr().cast_mut())
    }

    /// Start of a slice that may be written for as long as it is borrowed.
    pub(crate) fn writing(slice: &mut [f32]) -> Self {
        Self(slice.as_mut_ptr())
    }

    /// Pointer to a value.
    ///
    /// # Safety
    /// `offset` must lie within the buffer, which must outlive the pointer's use.
    pub(crate) unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the caller vouches for the bounds.
        unsafe { self.0.add(offset) }
    }

    /// The same memory from a later value on.
    ///
    /// # Safety
    /// As [`Shared::at`].
    pub(crate) unsafe fn offset(self, offset: usize) -> Self {
        // SAFETY: the caller vouches for the bounds.
        Self(unsafe { self.0.add(offset) })
    }

    /// Part of the buffer, to read.
    ///
    /// # Safety
    /// The part must lie within the buffer, which must outlive `'a`, and nobody may write it meanwhile.
    pub(crate) unsafe fn slice<'a>(self, offset: usize, len: usize) -> &'a [f32] {
        // SAFETY: the caller vouches for bounds, lifetime and aliasing.
        unsafe { slice::from_raw_parts(self.0.add(offset), len) }
    }

    /// Part of the buffer, to write.
    ///
    /// # Safety
    /// The part must lie within the buffer, which must outlive `'a`, and nobody else may use it meanwhile.
    pub(crate) unsafe fn slice_mut<'a>(self, offset: usize, len: usize) -> &'a mut [f32] {
        // SAFETY: the caller vouches for bounds, lifetime and aliasing.
        unsafe { slice::from_raw_parts_mut(self.0.add(offset), len) }
    }
}

#[cfg(target_os = "linux")]
fn advise_huge_pages(start: *mut u8, bytes: usize) {
    const MADV_HUGEPAGE: i32 = 14;
    unsafe extern "C" {
        fn madvise(start: *mut u8, bytes: usize, advice: i32) -> i32;
    }
    // SAFETY: advice about memory that was just allocated; a refusal changes nothing.
    let _ = unsafe { madvise(start, bytes, MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_start: *mut u8, _bytes: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_zero() {
        for len in [0, 1, 1000, 600_000] {
            let mut buffer = Buffer::zeroed(len);
            assert_eq!(buffer.as_ptr() as usize % LINE, 0);
            assert_eq!(buffer.len(), len);
            assert!(buffer.iter().all(|&value| value == 0.0));
            buffer.fill(1.0);
            assert_eq!(buffer.iter().sum::<f32>(), len as f32);
        }
    }
}
