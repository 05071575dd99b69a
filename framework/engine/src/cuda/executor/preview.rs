//! What a network would be on GPUs: its programs and its memory, without any GPU.

use super::build::{Built, Purpose, build, plan, update};
use super::images::ImageForm;
use super::outline::{LossShape, Outline};
use super::replicas::CudaOptions;
use super::slabs::Slabs;
use super::told::Told;
use crate::EngineError;
use crate::checks::check_options;
use crate::cuda::{Address, Argument, Command, ConvolutionPass, Number, Storage};
use balpoe_net::Net;
use std::fmt;
use std::ops::Range;

/// Where slabs and rooms would begin; far from every number that a kernel takes.
const SLABS: Address = Address(1 << 44);
const ROOMS: Address = Address(1 << 45);

/// The programs and the memory of a network on each GPU of a group, as [`CudaReplicas`](super::CudaReplicas) would have them.
///
/// Its text lists every command of the first GPU with the places that it works on, for a batch of the largest size: `weights`,
/// `gradients` and so on outlive a pass, rooms are numbered in the order in which they are taken.
#[derive(Clone, Debug)]
pub struct CudaPreview {
    /// Bytes that outlive a pass: parameters, gradients, velocities, running statistics, targets.
    pub state_bytes: usize,
    /// Evaluation, training pass by pass, and the whole step if there is a loss.
    pub passes: Vec<PassPreview>,
    /// Bytes of the loss's adjustments.
    adjustment_bytes: usize,
}

/// The commands of a pass, and the memory that they share.
#[derive(Clone, Debug)]
pub struct PassPreview {
    /// What it does, such as "evaluation".
    pub name: &'static str,
    /// A line each.
    pub commands: Vec<String>,
    /// How many of them are convolutions, by cuDNN.
    pub convolutions: usize,
    /// How many of them are matrix products, by cuBLASLt.
    pub products: usize,
    /// Bytes of the arena that all rooms lie in.
    pub arena_bytes: usize,
    /// Rooms for values that live for a while.
    pub rooms: Vec<RoomPreview>,
}

/// A room in the arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomPreview {
    /// Its bytes.
    pub bytes: Range<usize>,
    /// The commands that use it, from the first to the last; none if it is not used.
    pub commands: Option<(usize, usize)>,
}

impl CudaPreview {
    /// Plans a network for so many GPUs, with the whole step if `logits` says which outputs are the experts' logits.
    ///
    /// # Errors
    /// If an option is out of range.
    pub fn new(
        net: &Net,
        options: &CudaOptions,
        devices: usize,
        storage: Storage,
        logits: Option<Range<usize>>,
    ) -> Result<Self, EngineError> {
        let CudaOptions { max_batch, batch_norm } = *options;
        check_options(max_batch, batch_norm)?;
        let outline = Outline::new(net, max_batch, batch_norm, devices.max(1), storage);
        let loss = logits.map(|logits| LossShape { classes: outline.output_len(logits.start), logits });
        let adjustment_bytes =
            loss.as_ref().map_or(0, |loss| loss.logits.len() * loss.classes * size_of::<f32>());
        let mut passes = vec![
            PassPreview::of(&outline, "evaluation", &Purpose::Evaluate),
            PassPreview::of(&outline, "forward and backward pass", &Purpose::Train),
        ];
        // The host may change and normalise the images, or the GPU does; for bytes from the host it is the same program as for
        // those that are kept.
        if let Some(loss) = loss {
            let step = |form| Purpose::Step(loss.clone(), form);
            passes.push(PassPreview::of(&outline, "whole step", &step(ImageForm::Normalised)));
            if net.input_shape().channels == 3 {
                let kept = step(ImageForm::Kept { maps: 1 });
                passes.push(PassPreview::of(&outline, "whole step on images that are kept", &kept));
            }
        }
        Ok(Self { state_bytes: Slabs::new(&outline, SLABS).1, passes, adjustment_bytes })
    }

    /// Bytes on each GPU, apart from what its libraries take.
    pub fn bytes(&self) -> usize {
        let arena = self.passes.iter().map(|pass| pass.arena_bytes).max().unwrap_or(0);
        self.state_bytes + self.adjustment_bytes + arena
    }
}

impl fmt::Display for CudaPreview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} bytes outlive a pass, {} in all", self.state_bytes, self.bytes())?;
        self.passes.iter().try_for_each(|pass| write!(f, "\n{pass}"))
    }
}

impl fmt::Display for PassPreview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, commands, convolutions, products, arena_bytes, rooms } = self;
        let apart: usize = rooms.iter().map(|room| room.bytes.len()).sum();
        writeln!(
            f,
            "{name}: {} commands, {convolutions} of them convolutions and {products} products; {} rooms in {arena_bytes} bytes, apart {apart}",
            commands.len(),
            rooms.len(),
        )?;
        commands.iter().enumerate().try_for_each(|(i, command)| writeln!(f, "{i:4}  {command}"))
    }
}

impl PassPreview {
    fn of(outline: &Outline, name: &'static str, purpose: &Purpose) -> Self {
        let layout = plan(outline, purpose);
        let parts = match purpose {
            Purpose::Evaluate => outline.evaluation_parts(outline.max_batch),
            Purpose::Train | Purpose::Step(..) => outline.training_parts(outline.max_batch),
        };
        // With rooms one behind the other, an address says which room it is in.
        let apart = layout.apart();
        let starts = apart.rooms().map(|room| room.bytes.start).collect();
        let mut slabs = Slabs::new(outline, SLABS).0;
        // What has no place among the slabs, each far from the others.
        let others = [&mut slabs.adjustments, &mut slabs.kept, &mut slabs.brought, &mut slabs.maps];
        for (i, other) in others.into_iter().enumerate() {
            *other = SLABS.offset((1 << 43) + (i << 40));
        }
        let Built { mut commands, backward, .. } = build(outline, purpose, parts[0], slabs, &apart, ROOMS);
        commands.extend(backward);
        if let Purpose::Step(..) = purpose {
            commands.extend(update(outline, slabs, &vec![false; outline.net.parameters().len()], true));
        }
        let places = Places { slabs, starts, end: ROOMS.offset(apart.bytes()), storage: outline.storage };
        let count = |is: fn(&Command) -> bool| commands.iter().filter(|&command| is(command)).count();
        Self {
            name,
            convolutions: count(|command| matches!(command, Command::Convolve(_))),
            products: count(|command| matches!(command, Command::Multiply(_))),
            arena_bytes: layout.bytes(),
            rooms: layout.rooms().collect(),
            commands: commands.iter().map(|command| places.line(command)).collect(),
        }
    }
}

/// What addresses are called.
struct Places {
    slabs: Slabs,
    /// Where each room begins, in bytes.
    starts: Vec<usize>,
    /// Where the last one ends; numbers beyond are no addresses.
    end: Address,
    storage: Storage,
}

impl Places {
    fn line(&self, command: &Command) -> String {
        match command {
            Command::Launch(launch) => {
                let [grid, block] =
                    [launch.grid, launch.block].map(|sizes| sizes.map(|size| size.to_string()));
                let places: Vec<String> =
                    launch.arguments.iter().flat_map(|own| self.named_in(own)).collect();
                format!("{} {} x {}: {}", launch.kernel, grid.join(","), block.join(","), places.join(", "))
            }
            Command::Convolve(convolution) => {
                let what = match convolution.pass {
                    ConvolutionPass::Forward => "convolution",
                    ConvolutionPass::Input => "gradient of a convolution's input",
                    ConvolutionPass::Weight => "gradient of a convolution's weight",
                };
                let [height, width] = convolution.window.kernel;
                let [x, weight, y] =
                    [convolution.x, convolution.weight, convolution.y].map(|at| self.name(at));
                let (images, input, output) = (convolution.images, convolution.input, convolution.output);
                format!("{what} {height}x{width}, {images} images, {input} to {output}: {x}, {weight}, {y}")
            }
            Command::Multiply(product) => {
                let [a, b, c] = [product.a, product.b, product.c].map(|at| self.name(at));
                format!(
                    "product {}x{} by {}x{}: {a}, {b}, {c}",
                    product.rows, product.depth, product.depth, product.columns
                )
            }
            Command::Clear { address, bytes } => format!("clear {bytes} bytes: {}", self.name(*address)),
            Command::Copy { from, to, bytes } => {
                format!("copy {bytes} bytes: {}, {}", self.name(*from), self.name(*to))
            }
            Command::Sum { address, len, number } => self.sum("sum over devices", *address, *len, *number),
            Command::BeginSum { address, len, number } => {
                self.sum("begin a sum over devices", *address, *len, *number)
            }
            Command::EndSums => "end of the sums".into(),
        }
    }

    fn sum(&self, what: &str, address: Address, len: usize, number: Number) -> String {
        let number = if number == Number::Single { "f32" } else { "f64" };
        format!("{what}, {len} {number}: {}", self.name(address))
    }

    /// The places that a kernel's argument names, alone or within a structure.
    fn named_in(&self, argument: &Argument) -> Vec<String> {
        let words = argument.words().iter().copied();
        words
            .filter(|&word| (SLABS.0..self.end.0).contains(&word))
            .map(|word| self.name(Address(word)))
            .collect()
    }

    fn name(&self, Address(address): Address) -> String {
        if let Some(offset) = address.checked_sub(ROOMS.0) {
            let room = self.starts.partition_point(|&start| start as u64 <= offset) - 1;
            return within(format!("room {room}"), offset - self.starts[room] as u64);
        }
        let Slabs {
            weights,
            copies,
            gradients,
            rough,
            velocities,
            statistics,
            told,
            normalisation,
            outcome,
            adjustments,
            kept,
            brought,
            maps,
        } = self.slabs;
        let Told { sgd, smoothing, blend, first, second, lambda, positions, .. } = told;
        let mut slabs = vec![
            (weights, "weights"),
            (gradients, "gradients"),
            (velocities, "velocities"),
            (statistics, "statistics"),
            (sgd, "settings of the update"),
            (first, "first labels"),
            (second, "second labels"),
            (lambda, "lambda"),
            (smoothing, "smoothing"),
            (blend, "blend"),
            (positions, "positions"),
            (normalisation, "normalisation"),
            (outcome, "outcome"),
            (adjustments, "adjustments"),
            (kept, "images that are kept"),
            (brought, "images that are brought"),
            (maps, "maps"),
        ];
        if self.storage == Storage::Bf16 {
            slabs.extend([(copies, "copies of weights"), (rough, "rough gradients")]);
        }
        let below = slabs.into_iter().filter(|(start, _)| start.0 <= address).max_by_key(|(start, _)| *start);
        let (start, name) = below.unwrap_or((Address::NULL, "nothing"));
        within(name.into(), address - start.0)
    }
}

/// A place some bytes into another.
fn within(name: String, offset: u64) -> String {
    if offset == 0 { name } else { format!("{name} + {offset}") }
}
