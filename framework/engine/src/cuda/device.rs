//! What an executor asks of a GPU: memory, and lists of commands that are prepared once and run many times.

use super::Storage;
use balpoe_net::{Shape, Window};
use thiserror::Error;

/// A place in the memory of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(pub u64);

impl Address {
    /// What a kernel is given where it takes nothing.
    pub const NULL: Self = Self(0);

    /// The place so many bytes further on.
    #[must_use]
    pub const fn offset(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }
}

/// The value of a kernel's parameter: bytes, aligned for any type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument(Vec<u64>);

impl Argument {
    /// A plain value: a number, or a `repr(C)` structure of numbers and addresses without padding.
    pub fn new<T: Copy>(value: T) -> Self {
        let mut words = vec![0u64; size_of::<T>().div_ceil(8).max(1)];
        // SAFETY: the words have room for the value.
        unsafe { words.as_mut_ptr().cast::<T>().write_unaligned(value) };
        Self(words)
    }

    /// The bytes, eight at a time.
    pub(super) fn words(&self) -> &[u64] {
        &self.0
    }

    /// The value's first byte, for a launch.
    pub fn as_ptr(&self) -> *const u64 {
        self.0.as_ptr()
    }
}

/// One of our kernels, at work on memory of the device. Kernels are named as in [`KERNEL_FILES`](super::KERNEL_FILES).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Its name.
    pub kernel: &'static str,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// The values of its parameters, in their order and with their types.
    pub arguments: Vec<Argument>,
}

/// What of a convolution is computed; what is written is overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvolutionPass {
    /// `y` from `x` and `weight`.
    Forward,
    /// `x`, the gradient of the input, from `weight` and the gradient `y`.
    Input,
    /// `weight`, the gradient of the weight, from `x` and the gradient `y`.
    Weight,
}

/// A convolution; all three tensors are dense and stored as feature maps are ([`Storage`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Convolution {
    /// What is computed.
    pub pass: ConvolutionPass,
    /// Images.
    pub images: usize,
    /// Of one image.
    pub input: Shape,
    /// Of one image.
    pub output: Shape,
    /// Where the kernel is laid.
    pub window: Window,
    /// Independent groups of channels.
    pub groups: usize,
    /// `[images, height, width, in]`.
    pub x: Address,
    /// `[out, kernel height, kernel width, in / groups]`.
    pub weight: Address,
    /// `[images, out height, out width, out]`.
    pub y: Address,
}

/// `c = factor op(a) op(b)`, dense row-major `f32`; `op(a)` is `[rows, depth]`, `op(b)` `[depth, columns]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Product {
    /// `[rows, depth]`, or `[depth, rows]` if transposed.
    pub a: Address,
    /// `[depth, columns]`, or `[columns, depth]` if transposed.
    pub b: Address,
    /// `[rows, columns]`.
    pub c: Address,
    /// Rows of `c`.
    pub rows: usize,
    /// Columns of `c`.
    pub columns: usize,
    /// What is summed over.
    pub depth: usize,
    /// Whether `a` and `b` lie transposed.
    pub transposed: [bool; 2],
    /// The factor.
    pub factor: f32,
}

/// The type of values that devices add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// `f32`.
    Single,
    /// `f64`.
    Double,
}

/// One thing that a device does; commands of a list take effect in their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A kernel of ours.
    Launch(Launch),
    /// A convolution.
    Convolve(Convolution),
    /// A matrix product.
    Multiply(Product),
    /// Sets bytes to zero.
    Clear {
        /// The first.
        address: Address,
        /// How many.
        bytes: usize,
    },
    /// Copies bytes within the device; the places do not overlap.
    Copy {
        /// From here.
        from: Address,
        /// To here.
        to: Address,
        /// How many.
        bytes: usize,
    },
    /// Replaces values by their sums over all devices of the group, which all do this equally often in the same order.
    Sum {
        /// The first value.
        address: Address,
        /// How many.
        len: usize,
        /// Of which type.
        number: Number,
    },
    /// The same, beside the commands that follow; these use none of the values before [`Command::EndSums`].
    BeginSum {
        /// The first value.
        address: Address,
        /// How many.
        len: usize,
        /// Of which type.
        number: Number,
    },
    /// Waits for what was begun.
    EndSums,
}

/// A list of commands that a device is ready to run.
pub trait Prepared: Send {
    /// Begins the commands, after everything that the device was told before. Faults may show later.
    ///
    /// # Errors
    /// If the device refuses.
    fn run(&mut self) -> Result<(), Fault>;

    /// Bytes of the memory that the commands need beside what they name.
    fn workspace(&self) -> usize;
}

/// Bytes that are on their way from a device.
pub trait Arriving: Send {
    /// Waits for them.
    ///
    /// # Errors
    /// If the device fails, or failed in something that was asked for before.
    fn wait(self: Box<Self>) -> Result<Vec<u8>, Fault>;
}

/// A GPU, or what stands for one in tests.
///
/// Everything happens in the order in which it is asked for; only [`download`](Self::download) and [`Arriving::wait`] wait. A device may be one of a
/// group whose devices are each used by a thread of their own and add values up.
pub trait Device: Send {
    /// A text for people, such as `cuda:0 (NVIDIA H200)`.
    fn name(&self) -> String;

    /// How feature maps are stored, by kernels and convolutions alike.
    fn storage(&self) -> Storage;

    /// How many devices the group has.
    fn group(&self) -> usize;

    /// This device's place in the group.
    fn rank(&self) -> usize;

    /// Memory full of zeros, aligned to 256 bytes. It must be released before the device is dropped.
    ///
    /// # Errors
    /// [`Fault::Memory`] if there is not as much.
    fn allocate(&self, bytes: usize) -> Result<Address, Fault>;

    /// Gives memory back that [`allocate`](Self::allocate) gave; nothing prepared may use it any more.
    fn release(&self, address: Address);

    /// Copies bytes to the device. The bytes may be changed once this returns.
    ///
    /// # Errors
    /// If the device fails.
    fn upload(&self, bytes: &[u8], to: Address) -> Result<(), Fault>;

    /// Waits for everything that was asked for, and copies bytes from the device.
    ///
    /// # Errors
    /// If the device fails, or failed in something that was asked for before.
    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), Fault>;

    /// Begins to copy bytes from the device, when everything that was asked for is done. What is asked for later need not be
    /// waited for.
    ///
    /// # Errors
    /// If the device fails.
    fn begin_download(&self, from: Address, bytes: usize) -> Result<Box<dyn Arriving>, Fault>;

    /// Chooses algorithms and takes workspaces for a list of commands.
    ///
    /// # Errors
    /// If memory does not suffice, or the device cannot do one of them.
    fn prepare(&self, commands: Vec<Command>) -> Result<Box<dyn Prepared>, Fault>;

    /// What came up since this was last asked and the user should know, a line each: where the device does what it was asked,
    /// but in another way than it is meant to.
    fn take_notices(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What goes wrong on a device.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Not enough memory.
    #[error("{device} has {} MiB free, and {} MiB more are needed", *.free >> 20, *.wanted >> 20)]
    Memory {
        /// Its name.
        device: String,
        /// Bytes that were asked for.
        wanted: usize,
        /// Bytes that are free.
        free: usize,
    },
    /// A library or the driver reports an error.
    #[error("{device} failed to {action}: {message}")]
    Failed {
        /// Its name.
        device: String,
        /// What was asked of it, a fragment such as "copy 12 bytes".
        action: String,
        /// What it said.
        message: String,
    },
    /// Another device of the group failed, so that this one would wait for ever.
    #[error("another device failed")]
    Peer,
}
