//! What runs a kernel, and arrays on it.

use crate::emulated::Emulated;
use crate::gpu::GpuMachine;
use balpoe_engine::cuda::{self, Launch, Storage};

/// Something that runs kernels on memory of its own.
pub(crate) trait Machine {
    /// Copies bytes to its memory, which it keeps until it is dropped.
    fn upload(&self, bytes: &[u8]) -> u64;
    /// Copies bytes from its memory.
    fn download(&self, address: u64, bytes: &mut [u8]);
    /// Runs a kernel to its end.
    fn launch(&self, launch: Launch);
}

/// Runs a test on every machine that there is, with both kinds of storage.
pub(crate) fn on_every_machine(test: impl Fn(&Runner<'_>)) {
    for storage in [Storage::F32, Storage::Bf16] {
        if let Some(machine) = Emulated::build(storage) {
            test(&Runner { machine: &machine, storage });
        } else {
            println!("skipped in emulation: there is no C++ compiler (g++)");
        }
        if let Some(machine) = GpuMachine::open(storage) {
            test(&Runner { machine: &machine, storage });
        } else {
            println!("skipped on a GPU: there is none that can be used");
        }
    }
}

/// A machine, and how feature maps are stored on it.
pub(crate) struct Runner<'a> {
    machine: &'a dyn Machine,
    storage: Storage,
}

/// An array of feature-map values (`real` in the kernels).
#[derive(Clone, Copy)]
pub(crate) struct Real(u64, usize);

/// An array of plain values.
#[derive(Clone, Copy)]
pub(crate) struct Plain(u64, usize);

/// The value of a parameter.
#[derive(Clone)]
pub(crate) struct Argument(cuda::Argument);

/// Plain old data that a kernel takes by value or in arrays.
pub(crate) trait Data: Copy {}
impl Data for u8 {}
impl Data for i32 {}
impl Data for i64 {}
impl Data for f32 {}
impl Data for f64 {}

pub(crate) fn value<T: Copy>(value: T) -> Argument {
    Argument(cuda::Argument::new(value))
}

impl From<Real> for Argument {
    fn from(array: Real) -> Self {
        value(array.0)
    }
}

impl From<Plain> for Argument {
    fn from(array: Plain) -> Self {
        value(array.0)
    }
}

impl Real {
    pub(crate) fn address(self) -> u64 {
        self.0
    }
}

impl Plain {
    pub(crate) fn address(self) -> u64 {
        self.0
    }
}

fn bytes<T: Copy>(values: &[T]) -> &[u8] {
    // SAFETY: plain values are bytes.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

impl Runner<'_> {
    pub(crate) fn storage(&self) -> Storage {
        self.storage
    }

    /// Uploads feature-map values and gives them as they are stored.
    pub(crate) fn real(&self, values: &[f32]) -> (Real, Vec<f32>) {
        match self.storage {
            Storage::F32 => (Real(self.machine.upload(bytes(values)), values.len()), values.to_vec()),
            Storage::Bf16 => {
                let halves: Vec<u16> = values.iter().map(|&value| to_bf16(value)).collect();
                let stored = halves.iter().map(|&half| f32::from_bits(u32::from(half) << 16)).collect();
                (Real(self.machine.upload(bytes(&halves)), values.len()), stored)
            }
        }
    }

    /// Room for feature-map values, full of what is not a number.
    pub(crate) fn real_room(&self, len: usize) -> Real {
        self.real(&vec![f32::NAN; len]).0
    }

    pub(crate) fn plain<T: Data>(&self, values: &[T]) -> Plain {
        Plain(self.machine.upload(bytes(values)), values.len())
    }

    /// Room for `f32` values, full of what is not a number.
    pub(crate) fn room(&self, len: usize) -> Plain {
        self.plain(&vec![f32::NAN; len])
    }

    pub(crate) fn read_real(&self, array: Real) -> Vec<f32> {
        match self.storage {
            Storage::F32 => self.read(Plain(array.0, array.1)),
            Storage::Bf16 => {
                let mut halves = vec![0u8; array.1 * 2];
                self.machine.download(array.0, &mut halves);
                let halves = halves.as_chunks::<2>().0.iter().map(|&half| u16::from_le_bytes(half));
                halves.map(|half| f32::from_bits(u32::from(half) << 16)).collect()
            }
        }
    }

    pub(crate) fn read(&self, array: Plain) -> Vec<f32> {
        let mut words = vec![0u8; array.1 * 4];
        self.machine.download(array.0, &mut words);
        words.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word)).collect()
    }

    pub(crate) fn read_doubles(&self, array: Plain) -> Vec<f64> {
        let mut words = vec![0u8; array.1 * 8];
        self.machine.download(array.0, &mut words);
        words.as_chunks::<8>().0.iter().map(|&word| f64::from_le_bytes(word)).collect()
    }

    pub(crate) fn launch(
        &self,
        kernel: &'static str,
        grid: [u32; 3],
        block: [u32; 3],
        arguments: &mut [Argument],
    ) {
        let arguments = arguments.iter().map(|argument| argument.0.clone()).collect();
        self.machine.launch(Launch { kernel, grid, block, arguments });
    }

    /// A loop over `len` elements, with fewer threads than elements.
    pub(crate) fn launch_loop(&self, kernel: &'static str, len: usize, arguments: &mut [Argument]) {
        let blocks = (len as u32).div_ceil(64).clamp(1, 3);
        self.launch(kernel, [blocks, 1, 1], [32, 1, 1], arguments);
    }

    /// Compares with a reference, relative to its largest value: to rounding of what is stored, or of `f32`.
    pub(crate) fn assert_real(&self, what: &str, found: Real, expected: &[f64]) {
        let bound = if self.storage == Storage::F32 { 2e-6 } else { 1.0 / 256.0 };
        assert_close(what, &self.read_real(found), expected, bound);
    }
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

/// To nearest, ties to even, as Rust's own rounding of the last bits would have it.
pub(crate) fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    let (kept, lost) = ((bits >> 16) as u16, bits & 0xffff);
    match lost.cmp(&0x8000) {
        std::cmp::Ordering::Less => kept,
        std::cmp::Ordering::Greater => kept + 1,
        std::cmp::Ordering::Equal => kept + (kept & 1),
    }
}

/// Values in `[-1, 1)`, by Knuth's congruence.
pub(crate) fn random(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// A list of arguments from arrays and values.
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => { &mut [$(crate::machine::Argument::from($argument)),*] };
}
pub(crate) use arguments;

macro_rules! by_value {
    ($($type:ty),*) => {$(
        impl From<$type> for Argument {
            fn from(number: $type) -> Self {
                value(number)
            }
        }
    )*};
}
by_value!(i32, i64, u64, f32, f64);
