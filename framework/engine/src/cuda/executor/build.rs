//! Whole programs, and where the host brings and fetches what.

use super::images::ImageForm;
use super::outline::{LossShape, Outline, Part};
use super::program::{Program, operands};
use super::rooms::{Layout, Place, Rooms};
use super::slabs::Slabs;
use crate::cuda::{Address, Command, Storage};
use balpoe_net::Shape;

/// What a program does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The forward pass with running statistics.
    Evaluate,
    /// The forward pass of a training step; then, with gradients of the outputs from the host, the backward pass.
    Train,
    /// Forward pass, loss and backward pass, on images of this form.
    Step(LossShape, ImageForm),
}

/// Where an output lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port {
    pub(super) address: Address,
    /// How its values are stored.
    pub(super) storage: Storage,
}

/// A program with its addresses.
pub(super) struct Built {
    pub(super) commands: Vec<Command>,
    /// The backward pass of [`Purpose::Train`].
    pub(super) backward: Vec<Command>,
    /// Where the host brings images that are normalised, in `f32`.
    pub(super) images: Address,
    /// Where it fetches the outputs after `commands`; none after a whole step.
    pub(super) outputs: Vec<Port>,
    /// Where it brings the gradients of the outputs before `backward`, in `f32`.
    pub(super) seeds: Vec<Address>,
}

/// Places the rooms of a program for the largest batch.
pub(super) fn plan(outline: &Outline, purpose: &Purpose) -> Layout {
    let part = match purpose {
        Purpose::Evaluate => {
            let images = outline.max_share().max(outline.evaluation_parts(outline.max_batch)[0].images);
            Part { images, ..outline.largest_part() }
        }
        Purpose::Train | Purpose::Step(..) => outline.largest_part(),
    };
    let slabs = Slabs::NOWHERE;
    let (_, rooms) = build_with(outline, purpose, part, slabs, Rooms::unplaced());
    rooms.place()
}

/// Builds a program for a part of a batch.
pub(super) fn build(
    outline: &Outline,
    purpose: &Purpose,
    part: Part,
    slabs: Slabs,
    layout: &Layout,
    arena: Address,
) -> Built {
    build_with(outline, purpose, part, slabs, Rooms::placed(layout, arena)).0
}

fn build_with(
    outline: &Outline,
    purpose: &Purpose,
    part: Part,
    slabs: Slabs,
    rooms: Rooms,
) -> (Built, Rooms) {
    let mut program = Program::new(outline, slabs, part, rooms);
    program.training = *purpose != Purpose::Evaluate;
    let (loss, form) = match purpose {
        Purpose::Step(loss, form) => (Some(loss), *form),
        Purpose::Evaluate | Purpose::Train => (None, ImageForm::Normalised),
    };
    let images = program.take_images(form);
    let loss = loss.map(|loss| (loss, program.prepare_loss(loss)));
    program.forward();
    let mut built =
        Built { commands: Vec::new(), backward: Vec::new(), images, outputs: Vec::new(), seeds: Vec::new() };
    if let Some((loss, places)) = loss {
        let seeds = program.compute_loss(loss, places);
        program.load_seeds(&seeds);
        program.backward();
        built.commands = program.commands;
        return (built, program.rooms);
    }
    built.outputs = program.outputs();
    if *purpose == Purpose::Train {
        let seeds = program.take_seeds();
        built.seeds = seeds.iter().map(|&seed| program.address(seed)).collect();
        let forward = program.commands.len();
        let seeds: Vec<Option<Place>> = seeds.into_iter().map(Some).collect();
        program.load_seeds(&seeds);
        program.backward();
        built.backward = program.commands.split_off(forward);
    }
    built.commands = program.commands;
    (built, program.rooms)
}

/// The update of all parameters that are not frozen; with `guarded`, only where the step's loss is finite.
pub(super) fn update(outline: &Outline, slabs: Slabs, frozen: &[bool], guarded: bool) -> Vec<Command> {
    let mut program = without_rooms(outline, slabs);
    let [settings, outcome] = [slabs.told.sgd, slabs.outcome].map(Place::Fixed);
    let loss = if guarded { outcome } else { Place::NULL };
    for range in outline.parameters.trained(frozen) {
        let [weights, velocities, gradients] =
            [slabs.weights, slabs.velocities, slabs.gradients].map(|slab| Program::slab(slab, range.start));
        let copies = match outline.storage {
            Storage::F32 => Place::NULL,
            Storage::Bf16 => Place::Fixed(slabs.copies.offset(range.start * outline.value_size())),
        };
        let len = range.len();
        let operands = operands![weights, velocities, gradients, copies, settings, loss, len as i64];
        program.launch_elements("sgd", len, operands);
    }
    program.commands
}

/// Makes what convolutions read of the parameters again.
pub(super) fn copy_weights(outline: &Outline, slabs: Slabs) -> Vec<Command> {
    let mut program = without_rooms(outline, slabs);
    if outline.storage == Storage::Bf16 {
        let len = outline.parameters.len();
        let [weights, copies] = [slabs.weights, slabs.copies].map(Place::Fixed);
        program.launch_elements("to_real", len, operands![weights, copies, len as i64]);
    }
    program.commands
}

/// A program that depends on no batch.
fn without_rooms(outline: &Outline, slabs: Slabs) -> Program<'_> {
    let part = Part { images: 1, first: 0, batch: 1, group: 1, exchanges: false };
    Program::new(outline, slabs, part, Rooms::unplaced())
}

impl Program<'_> {
    /// Takes room for the images, and gives the address that the host brings them to if they are normalised. Rooms are the same
    /// for images of every form.
    fn take_images(&mut self, form: ImageForm) -> Address {
        let shape = self.shape(0);
        let len = self.part.images * shape.len();
        let images = self.float_room(len);
        let address = self.address(images);
        let real = match form {
            ImageForm::Normalised => self.as_real(images, len),
            ImageForm::Bytes | ImageForm::Kept { .. } => {
                let is_float = self.outline.storage == Storage::F32;
                let real = if is_float { images } else { self.map_room(shape) };
                self.view_images(form, real, shape);
                real
            }
        };
        self.values[0].real = Some(real);
        address
    }

    /// Makes what the network sees of the images that lie on the device.
    fn view_images(&mut self, form: ImageForm, out: Place, shape: Shape) {
        let Slabs { kept, brought, maps, told, normalisation, .. } = self.slabs;
        let (images, steps) = match form {
            ImageForm::Kept { maps } => (kept, maps),
            ImageForm::Bytes | ImageForm::Normalised => (brought, 0),
        };
        let [images, positions, maps, blend, table] =
            [images, told.positions, maps, told.blend, normalisation].map(Place::Fixed);
        let [count, steps, height, width] =
            [self.part.images, steps, shape.height, shape.width].map(|size| size as i32);
        let operands = operands![images, positions, maps, blend, table, out, count, steps, height, width];
        self.launch_elements("view_images", self.part.images * shape.pixels(), operands);
    }

    /// Keeps the outputs until now, for the host.
    fn outputs(&mut self) -> Vec<Port> {
        let outline = self.outline;
        let port = |&value: &usize| {
            let (place, storage) = match self.values[value].float {
                Some(float) => (float, Storage::F32),
                None => (self.real_of(value), outline.storage),
            };
            Port { address: self.address(place), storage }
        };
        outline.graph.outputs.iter().map(port).collect()
    }

    /// Takes room for the gradients of the outputs.
    fn take_seeds(&mut self) -> Vec<Place> {
        let lens = (0..self.outline.graph.outputs.len()).map(|k| self.outline.output_len(k));
        lens.map(|len| self.float_room(self.part.images * len)).collect()
    }
}
