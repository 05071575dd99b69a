//! Arrays on a device.

use balpoe_engine::cuda::{Address, Device, Precision, Storage};

/// Values in `[-1, 1)`, by Knuth's congruence.
pub(crate) fn random(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Values that 16 bits hold, so that both kinds of storage hold the same.
pub(crate) fn coarse(seed: u64, len: usize) -> Vec<f32> {
    random(seed, len).iter().map(|value| f32::from_bits(value.to_bits() & 0xffff_0000)).collect()
}

/// Uploads values as feature maps are stored; they must be coarse.
pub(crate) fn put(device: &dyn Device, values: &[f32]) -> Address {
    match device.storage() {
        Storage::F32 => put_floats(device, values),
        Storage::Bf16 => {
            let upper = |value: &f32| ((value.to_bits() >> 16) as u16).to_le_bytes();
            put_bytes(device, &values.iter().flat_map(upper).collect::<Vec<u8>>())
        }
    }
}

/// Uploads `f32` values.
pub(crate) fn put_floats(device: &dyn Device, values: &[f32]) -> Address {
    put_bytes(device, &bytes(values))
}

pub(crate) fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub(crate) fn put_bytes(device: &dyn Device, bytes: &[u8]) -> Address {
    let address = device.allocate(bytes.len()).unwrap();
    device.upload(bytes, address).unwrap();
    address
}

/// Downloads values as feature maps are stored.
pub(crate) fn get(device: &dyn Device, address: Address, len: usize) -> Vec<f32> {
    match device.storage() {
        Storage::F32 => get_floats(device, address, len),
        Storage::Bf16 => {
            let mut halves = vec![0; len * 2];
            device.download(address, &mut halves).unwrap();
            let halves = halves.as_chunks::<2>().0.iter().map(|&half| u16::from_le_bytes(half));
            halves.map(|half| f32::from_bits(u32::from(half) << 16)).collect()
        }
    }
}

/// Downloads `f32` values.
pub(crate) fn get_floats(device: &dyn Device, address: Address, len: usize) -> Vec<f32> {
    let mut words = vec![0; len * 4];
    device.download(address, &mut words).unwrap();
    words.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word)).collect()
}

/// Compares with a reference, relative to its largest value.
pub(crate) fn assert_close(what: &str, found: &[f32], expected: &[f64], bound: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-3, |largest: f64, value| largest.max(value.abs()));
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / largest;
        assert!(error <= bound, "{what}[{i}]: found {found}, expected {expected}");
    }
}

/// What rounding may change in a sum of products, relative to the largest of many.
pub(crate) fn bound(precision: Precision, stored: Storage) -> f64 {
    match (precision, stored) {
        (_, Storage::Bf16) => 5e-3,
        (Precision::F32, _) => 1e-5,
        (Precision::Tf32 | Precision::Bf16, Storage::F32) => 3e-3,
    }
}
