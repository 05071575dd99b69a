//! Feature-map values in memory.

use balpoe_engine::cuda::Storage;

/// Bytes of a value.
pub(crate) fn size(storage: Storage) -> usize {
    match storage {
        Storage::F32 => 4,
        Storage::Bf16 => 2,
    }
}

pub(crate) fn load(storage: Storage, bytes: &[u8]) -> Vec<f32> {
    match storage {
        Storage::F32 => bytes.as_chunks::<4>().0.iter().map(|&word| f32::from_ne_bytes(word)).collect(),
        Storage::Bf16 => {
            let halves = bytes.as_chunks::<2>().0.iter();
            halves.map(|&half| f32::from_bits(u32::from(u16::from_ne_bytes(half)) << 16)).collect()
        }
    }
}

pub(crate) fn store(storage: Storage, values: &[f32], bytes: &mut [u8]) {
    match storage {
        Storage::F32 => {
            for (word, value) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(values) {
                *word = value.to_ne_bytes();
            }
        }
        Storage::Bf16 => {
            for (half, &value) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(values) {
                *half = to_bf16(value).to_ne_bytes();
            }
        }
    }
}

/// To nearest, ties to even; what is not a number stays so.
fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}
