//! Memory of batches that is used again.

use std::sync::{Arc, Mutex, PoisonError};

use super::BatchImages;

/// The memory of batches that are no longer needed. A batch of photographs is so large that the system hands out memory for it
/// page by page and takes it back at once, which costs more than filling it.
#[derive(Clone, Debug, Default)]
pub struct SpareMemory {
    floats: Pool<f32>,
    bytes: Pool<u8>,
}

impl SpareMemory {
    /// So many numbers, whatever they are.
    pub(super) fn floats(&self, length: usize) -> Vec<f32> {
        self.floats.take(length)
    }

    /// So many bytes, whatever they are.
    pub(super) fn bytes(&self, length: usize) -> Vec<u8> {
        self.bytes.take(length)
    }

    /// Keeps what is worth keeping.
    pub(super) fn put(&self, images: BatchImages) {
        match images {
            BatchImages::Normalised(values) => self.floats.put(values),
            BatchImages::Bytes(pixels) => self.bytes.put(pixels),
            BatchImages::Maps(_) => {}
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Pool<T>(Arc<Mutex<Vec<Vec<T>>>>);

impl<T: Clone + Default> Pool<T> {
    fn take(&self, length: usize) -> Vec<T> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        if memory.capacity() < length {
            return vec![T::default(); length];
        }
        memory.resize(length, T::default());
        memory
    }

    fn put(&self, memory: Vec<T>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }
}
