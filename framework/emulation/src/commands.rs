//! Lists of commands.

use crate::convolution;
use crate::gpu::State;
use crate::product::multiply;
use crate::storage::{load, size, store};
use balpoe_engine::cuda::{
    Address, Command, Convolution, ConvolutionPass, Fault, Launch, Number, Prepared, Product,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Commands that have been checked.
pub(crate) struct List {
    state: Arc<State>,
    commands: Vec<Command>,
}

/// What was begun to be added up, and is not to be used.
struct Begun {
    address: Address,
    number: Number,
    bytes: Vec<u8>,
}

impl List {
    /// # Errors
    /// If a command names memory that is not allocated, or a launch is not one that a GPU would take.
    pub(crate) fn new(state: Arc<State>, commands: Vec<Command>) -> Result<Self, Fault> {
        for command in &commands {
            let checked = check(&state, command);
            checked.map_err(|message| state.failed(format!("prepare {command:?}"), message))?;
        }
        Ok(Self { state, commands })
    }

    fn run_all(&self) -> Result<(), Fault> {
        let left = |left: usize| left.checked_sub(1);
        if self.state.lists_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_err() {
            return Err(self.state.failed("run a list", "the device is lost"));
        }
        let mut begun: Vec<Begun> = Vec::new();
        for command in &self.commands {
            let done = self.run_one(command, &mut begun);
            done.map_err(|failure| match failure {
                Failure::Own(message) => self.state.failed(format!("run {command:?}"), message),
                Failure::Fault(fault) => fault,
            })?;
        }
        if begun.is_empty() {
            Ok(())
        } else {
            Err(self.state.failed("run a list", "sums were begun and not ended"))
        }
    }

    fn run_one(&self, command: &Command, begun: &mut Vec<Begun>) -> Result<(), Failure> {
        let State { memory, meeting, rank, kernels, .. } = &*self.state;
        match command {
            Command::Launch(launch) => kernels.launch(launch),
            Command::Convolve(c) => self.convolve(c)?,
            Command::Multiply(product) => {
                let [a, b, c] = operands(product);
                let a = load(F32, memory.bytes(a.0, a.1)?);
                let b = load(F32, memory.bytes(b.0, b.1)?);
                store(F32, &multiply(product, &a, &b), memory.bytes(c.0, c.1)?);
            }
            Command::Clear { address, bytes } => memory.bytes(*address, *bytes)?.fill(0),
            Command::Copy { from, to, bytes } => {
                let from = memory.bytes(*from, *bytes)?.to_vec();
                memory.bytes(*to, *bytes)?.copy_from_slice(&from);
            }
            Command::Sum { address, len, number } => {
                let values = memory.bytes(*address, len * width(*number))?;
                let sums = meeting.sum(*rank, values.to_vec(), *number)?;
                values.copy_from_slice(&sums);
            }
            Command::BeginSum { address, len, number } => {
                let values = memory.bytes(*address, len * width(*number))?;
                begun.push(Begun { address: *address, number: *number, bytes: values.to_vec() });
                // Whoever uses them now gets what is not a number.
                values.fill(0xff);
            }
            Command::EndSums => {
                for Begun { address, number, bytes } in begun.drain(..) {
                    let sums = meeting.sum(*rank, bytes, number)?;
                    memory.bytes(address, sums.len())?.copy_from_slice(&sums);
                }
            }
        }
        Ok(())
    }

    fn convolve(&self, c: &Convolution) -> Result<(), String> {
        let State { memory, storage, .. } = &*self.state;
        let read = |(address, bytes): (Address, usize)| {
            memory.bytes(address, bytes).map(|bytes| load(*storage, bytes))
        };
        let [x, weight, y] = tensors(&self.state, c);
        let (result, target) = match c.pass {
            ConvolutionPass::Forward => (convolution::forward(c, &read(x)?, &read(weight)?), y),
            ConvolutionPass::Input => (convolution::input_gradient(c, &read(weight)?, &read(y)?), x),
            ConvolutionPass::Weight => (convolution::weight_gradient(c, &read(x)?, &read(y)?), weight),
        };
        store(*storage, &result, memory.bytes(target.0, target.1)?);
        Ok(())
    }
}

impl Prepared for List {
    fn run(&mut self) -> Result<(), Fault> {
        let result = self.run_all();
        if result.is_err() {
            self.state.meeting.abandon();
        }
        result
    }

    fn workspace(&self) -> usize {
        0
    }
}

enum Failure {
    Own(String),
    Fault(Fault),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Own(message)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

const F32: balpoe_engine::cuda::Storage = balpoe_engine::cuda::Storage::F32;

/// Bytes of a value.
fn width(number: Number) -> usize {
    match number {
        Number::Single => 4,
        Number::Double => 8,
    }
}

/// Places and bytes of `a`, `b` and `c`.
fn operands(product: &Product) -> [(Address, usize); 3] {
    let Product { a, b, c, rows, columns, depth, .. } = *product;
    [(a, rows * depth * 4), (b, depth * columns * 4), (c, rows * columns * 4)]
}

/// Places and bytes of `x`, `weight` and `y`.
fn tensors(state: &State, c: &Convolution) -> [(Address, usize); 3] {
    let weight = c.output.channels * c.window.kernel[0] * c.window.kernel[1] * c.input.channels / c.groups;
    let bytes = size(state.storage);
    [
        (c.x, c.images * c.input.len() * bytes),
        (c.weight, weight * bytes),
        (c.y, c.images * c.output.len() * bytes),
    ]
}

/// Whether a GPU could do it with the memory that there is.
fn check(state: &State, command: &Command) -> Result<(), String> {
    let within = |places: &[(Address, usize)]| {
        places.iter().try_for_each(|&(address, bytes)| state.memory.check(address, bytes))
    };
    match command {
        Command::Launch(launch) => check_launch(state, launch),
        Command::Convolve(c) => within(&tensors(state, c)),
        Command::Multiply(product) => within(&operands(product)),
        Command::Clear { address, bytes } => within(&[(*address, *bytes)]),
        Command::Copy { from, to, bytes } => within(&[(*from, *bytes), (*to, *bytes)]),
        Command::Sum { address, len, number } | Command::BeginSum { address, len, number } => {
            within(&[(*address, len * width(*number))])
        }
        Command::EndSums => Ok(()),
    }
}

fn check_launch(state: &State, launch: &Launch) -> Result<(), String> {
    let Some(parameters) = state.kernels.parameters(launch.kernel) else {
        return Err("there is no such kernel".into());
    };
    if parameters != launch.arguments.len() {
        return Err(format!("the kernel has {parameters} parameters, found {}", launch.arguments.len()));
    }
    let threads: u32 = launch.block.iter().product();
    let is_possible =
        launch.grid.iter().zip([i32::MAX as u32, 65_535, 65_535]).all(|(&n, most)| (1..=most).contains(&n))
            && (1..=1024).contains(&threads);
    if is_possible { Ok(()) } else { Err("no GPU has such a grid or block".into()) }
}
