//! One replica: its device, its memory, and the programs that are ready to run.

use super::build::{Built, Port, Purpose, build, copy_weights, update};
use super::images::{ImageForm, StepImages, Views};
use super::outline::{LossShape, Outline, Part};
use super::rooms::Layout;
use super::slabs::Slabs;
use super::told::sgd_words;
use crate::cuda::{Address, Arriving, Command, Device, Fault, Prepared, Storage};
use crate::{EngineError, SoftTargets};
use balpoe_net::{LogitAdjustedCrossEntropy, PixelMap, Sgd};
use std::collections::{BTreeMap, VecDeque};

/// Names a pass: what it does, for which batch, and which parameters a whole step leaves alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pass {
    Evaluate { batch: usize },
    Train { batch: usize },
    Step { batch: usize, frozen: Vec<bool>, form: ImageForm },
}

/// What all passes of a kind have in common on all devices.
pub(super) struct Plans {
    pub(super) evaluate: Layout,
    pub(super) train: Layout,
    pub(super) step: Option<(LossShape, Layout)>,
}

impl Plans {
    /// Bytes of the arena that serves all.
    pub(super) fn arena(&self) -> usize {
        let step = self.step.as_ref().map_or(0, |(_, layout)| layout.bytes());
        self.evaluate.bytes().max(self.train.bytes()).max(step)
    }

    fn of(&self, pass: &Pass) -> Result<(Purpose, &Layout), EngineError> {
        match pass {
            Pass::Evaluate { .. } => Ok((Purpose::Evaluate, &self.evaluate)),
            Pass::Train { .. } => Ok((Purpose::Train, &self.train)),
            Pass::Step { form, .. } => {
                let (loss, layout) = self.step.as_ref().ok_or(EngineError::NoLoss)?;
                Ok((Purpose::Step(loss.clone(), *form), layout))
            }
        }
    }
}

/// A pass that the device is ready to run.
struct Ready {
    commands: Box<dyn Prepared>,
    backward: Option<Box<dyn Prepared>>,
    images: Address,
    outputs: Vec<Port>,
    seeds: Vec<Address>,
}

/// A network on one device.
pub(super) struct Replica {
    passes: BTreeMap<Pass, Ready>,
    /// Updates by what is frozen.
    updates: BTreeMap<Vec<bool>, Box<dyn Prepared>>,
    /// Makes what convolutions read of the parameters.
    copying: Option<Box<dyn Prepared>>,
    /// Whether parameters changed since that was made.
    copies_behind: bool,
    /// Outcomes of steps that were begun, the first one first.
    outcomes: VecDeque<Box<dyn Arriving>>,
    slabs: Slabs,
    memory: Address,
    arena: Option<Taken>,
    adjustments: Option<Taken>,
    /// Images that are kept, and those that a step brings with their maps.
    kept: Option<Taken>,
    brought: Option<Taken>,
    maps: Option<Taken>,
    device: Box<dyn Device>,
}

/// Memory that was taken when its size was known.
#[derive(Clone, Copy)]
struct Taken {
    address: Address,
    bytes: usize,
}

impl Replica {
    /// Takes memory for the parameters: zeros, and running statistics as they start.
    pub(super) fn new(device: Box<dyn Device>, outline: &Outline) -> Result<Self, EngineError> {
        let memory = device.allocate(Slabs::new(outline, Address::NULL).1)?;
        let mut replica = Self {
            passes: BTreeMap::new(),
            updates: BTreeMap::new(),
            copying: None,
            copies_behind: false,
            outcomes: VecDeque::new(),
            slabs: Slabs::new(outline, memory).0,
            memory,
            arena: None,
            adjustments: None,
            kept: None,
            brought: None,
            maps: None,
            device,
        };
        for (buffer, range) in outline.net.buffers().iter().zip(&outline.statistics) {
            replica.write(replica.slabs.statistics, range.start, &vec![buffer.initial; buffer.len])?;
        }
        let copying = copy_weights(outline, replica.slabs);
        replica.copying = replica.prepared(copying)?;
        Ok(replica)
    }

    pub(super) fn device(&self) -> &dyn Device {
        &*self.device
    }

    pub(super) fn slabs(&self) -> &Slabs {
        &self.slabs
    }

    /// Copies values into a slab of `f32`.
    pub(super) fn write(&self, slab: Address, start: usize, values: &[f32]) -> Result<(), EngineError> {
        Ok(self.device.upload(bytes_of(values), slab.offset(start * size_of::<f32>()))?)
    }

    /// Copies values out of a slab of `f32`.
    pub(super) fn read(&self, slab: Address, start: usize, len: usize) -> Result<Vec<f32>, EngineError> {
        self.download(Port { address: slab.offset(start * size_of::<f32>()), storage: Storage::F32 }, len)
    }

    fn download(&self, port: Port, len: usize) -> Result<Vec<f32>, EngineError> {
        let mut bytes = vec![0; len * if port.storage == Storage::F32 { 4 } else { 2 }];
        self.device.download(port.address, &mut bytes)?;
        Ok(match port.storage {
            Storage::F32 => bytes.as_chunks::<4>().0.iter().map(|&word| f32::from_ne_bytes(word)).collect(),
            Storage::Bf16 => {
                let halves = bytes.as_chunks::<2>().0.iter();
                halves.map(|&half| f32::from_bits(u32::from(u16::from_ne_bytes(half)) << 16)).collect()
            }
        })
    }

    /// Parameters were written from outside.
    pub(super) fn parameters_changed(&mut self) {
        self.copies_behind = true;
    }

    /// Another loss; `forget` if programs of steps do not fit it any more.
    pub(super) fn set_loss(
        &mut self,
        loss: &LogitAdjustedCrossEntropy,
        forget: bool,
    ) -> Result<(), EngineError> {
        let values = loss.adjustments.concat();
        if forget {
            self.forget_steps();
        }
        let bytes = bytes_of(&values);
        self.slabs.adjustments = taken(&*self.device, &mut self.adjustments, bytes.len())?.address;
        Ok(self.device.upload(bytes, self.slabs.adjustments)?)
    }

    /// What each byte of an image is to the network.
    pub(super) fn set_normalisation(&self, table: &[[f32; 3]; 256]) -> Result<(), EngineError> {
        self.write(self.slabs.normalisation, 0, table.as_flattened())
    }

    /// Keeps images, as bytes, in place of those that were kept. What every step on them needs comes first.
    pub(super) fn keep_images(
        &mut self,
        outline: &Outline,
        plans: &Plans,
        pixels: &[u8],
        maps: usize,
    ) -> Result<(), EngineError> {
        self.forget_images();
        self.arena(plans.arena())?;
        self.room_for_images(outline, ImageForm::Kept { maps })?;
        self.slabs.kept = taken(&*self.device, &mut self.kept, pixels.len())?.address;
        Ok(self.device.upload(pixels, self.slabs.kept)?)
    }

    /// Gives back what images are kept in.
    pub(super) fn forget_images(&mut self) {
        self.forget_steps();
        if let Some(kept) = self.kept.take() {
            self.device.release(kept.address);
        }
    }

    /// Lets go of everything that was begun or is ready to run.
    pub(super) fn settle(&mut self) {
        self.outcomes.clear();
        self.passes.clear();
        self.updates.clear();
        self.copying = None;
    }

    fn forget_steps(&mut self) {
        self.passes.retain(|pass, _| !matches!(pass, Pass::Step { .. }));
    }

    /// Makes a pass ready for this replica's part. Nothing waits for other devices here.
    pub(super) fn prepare(
        &mut self,
        outline: &Outline,
        plans: &Plans,
        pass: &Pass,
        part: Part,
    ) -> Result<(), EngineError> {
        let (purpose, layout) = plans.of(pass)?;
        let arena = self.arena(plans.arena())?;
        if let Pass::Step { form, .. } = pass {
            self.room_for_images(outline, *form)?;
        }
        if self.passes.contains_key(pass) {
            return Ok(());
        }
        let Built { mut commands, backward, images, outputs, seeds } =
            build(outline, &purpose, part, self.slabs, layout, arena);
        if let Pass::Step { frozen, .. } = pass {
            commands.extend(update(outline, self.slabs, frozen, true));
        }
        let commands = self.device.prepare(commands)?;
        let backward = self.prepared(backward)?;
        self.passes.insert(pass.clone(), Ready { commands, backward, images, outputs, seeds });
        Ok(())
    }

    /// Memory for feature maps. Programs that used a smaller one are forgotten.
    fn arena(&mut self, bytes: usize) -> Result<Address, EngineError> {
        if self.arena.is_none_or(|arena| arena.bytes < bytes) {
            self.passes.clear();
            taken(&*self.device, &mut self.arena, bytes)?;
        }
        Ok(self.arena.map_or(Address::NULL, |arena| arena.address))
    }

    /// Memory for what a step brings of its images: of bytes, every partner may be another part's. Programs that used other memory
    /// are forgotten.
    fn room_for_images(&mut self, outline: &Outline, form: ImageForm) -> Result<(), EngineError> {
        let seen = 2 * outline.max_share();
        let (place, bytes) = match form {
            ImageForm::Normalised | ImageForm::Kept { maps: 0 } => return Ok(()),
            ImageForm::Bytes => (&mut self.brought, seen * outline.net.input_shape().len()),
            ImageForm::Kept { maps } => (&mut self.maps, seen * maps * size_of::<PixelMap>()),
        };
        if place.is_some_and(|taken| taken.bytes == bytes) {
            return Ok(());
        }
        // What was prepared may use what goes.
        self.passes.retain(|pass, _| !matches!(pass, Pass::Step { .. }));
        let address = taken(&*self.device, place, bytes)?.address;
        match form {
            ImageForm::Bytes => self.slabs.brought = address,
            ImageForm::Normalised | ImageForm::Kept { .. } => self.slabs.maps = address,
        }
        Ok(())
    }

    fn prepared(&self, commands: Vec<Command>) -> Result<Option<Box<dyn Prepared>>, EngineError> {
        if commands.is_empty() { Ok(None) } else { Ok(Some(self.device.prepare(commands)?)) }
    }

    fn refresh_copies(&mut self) -> Result<(), EngineError> {
        if std::mem::take(&mut self.copies_behind)
            && let Some(copying) = &mut self.copying
        {
            copying.run()?;
        }
        Ok(())
    }

    /// Begins a pass that is ready, on this replica's images.
    pub(super) fn run(&mut self, pass: &Pass, images: &[f32]) -> Result<(), EngineError> {
        self.refresh_copies()?;
        let Some(ready) = self.passes.get_mut(pass) else { return Err(EngineError::NoForwardPass) };
        self.device.upload(bytes_of(images), ready.images)?;
        Ok(ready.commands.run()?)
    }

    /// Brings what a step that is ready needs, for this replica's part of the images. Memory that is taken for it is taken here,
    /// while no device of the group waits for another.
    pub(super) fn bring(
        &self,
        outline: &Outline,
        pass: &Pass,
        part: Part,
        images: &StepImages<'_>,
        (targets, sgd): (&SoftTargets<'_>, &Sgd),
    ) -> Result<(), EngineError> {
        let Some(ready) = self.passes.get(pass) else { return Err(EngineError::NoForwardPass) };
        let Views { positions, guests, maps } = images.views(part);
        let Slabs { told, brought, maps: maps_place, .. } = self.slabs;
        let message = told.message(part, targets, sgd, images.blend(), &positions);
        self.device.upload(&message, told.sgd)?;
        let image = outline.net.input_shape().len();
        let own = part.first * image..(part.first + part.images) * image;
        match images {
            StepImages::Normalised(values) => self.device.upload(bytes_of(&values[own]), ready.images)?,
            StepImages::Bytes { pixels, .. } => {
                self.device.upload(&pixels[own], brought)?;
                let pixels_of = |&guest: &usize| &pixels[guest * image..(guest + 1) * image];
                let others: Vec<u8> = guests.iter().flat_map(pixels_of).copied().collect();
                if !others.is_empty() {
                    self.device.upload(&others, brought.offset(part.images * image))?;
                }
            }
            StepImages::Kept { .. } if maps.is_empty() => {}
            StepImages::Kept { .. } => self.device.upload(bytes_of(&maps), maps_place)?,
        }
        Ok(())
    }

    /// Begins a whole step for which everything was brought, and the way of its outcome to the host.
    pub(super) fn begin_step(&mut self, pass: &Pass) -> Result<(), EngineError> {
        self.refresh_copies()?;
        let Some(ready) = self.passes.get_mut(pass) else { return Err(EngineError::NoForwardPass) };
        ready.commands.run()?;
        let outcome = self.device.begin_download(self.slabs.outcome, 2 * size_of::<f64>())?;
        self.outcomes.push_back(outcome);
        Ok(())
    }

    /// The outputs of a pass for so many images.
    pub(super) fn outputs(
        &self,
        outline: &Outline,
        pass: &Pass,
        images: usize,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let Some(ready) = self.passes.get(pass) else { return Err(EngineError::NoForwardPass) };
        let ports = ready.outputs.iter().enumerate();
        ports.map(|(k, &port)| self.download(port, images * outline.output_len(k))).collect()
    }

    /// Begins the backward pass that follows a pass.
    pub(super) fn run_backward(&mut self, pass: &Pass, seeds: &[Vec<f32>]) -> Result<(), EngineError> {
        let Some(ready) = self.passes.get_mut(pass) else { return Err(EngineError::NoForwardPass) };
        for (&address, seed) in ready.seeds.iter().zip(seeds) {
            self.device.upload(bytes_of(seed), address)?;
        }
        ready.backward.as_mut().map_or(Ok(()), |backward| Ok(backward.run()?))
    }

    /// Loss and correct predictions of the first step whose outcome was not asked for, over all devices; waits for it.
    pub(super) fn outcome(&mut self) -> Result<[f64; 2], EngineError> {
        let Some(arriving) = self.outcomes.pop_front() else { return Ok([f64::NAN; 2]) };
        let bytes = arriving.wait()?;
        let numbers = bytes.as_chunks::<8>().0;
        Ok([0, 1].map(|i| f64::from_ne_bytes(numbers[i])))
    }

    /// Takes away a loss that was not finite, which keeps steps from updating anything.
    pub(super) fn clear_outcome(&self) -> Result<(), EngineError> {
        Ok(self.device.upload(&[0; 2 * size_of::<f64>()], self.slabs.outcome)?)
    }

    /// Updates all parameters that are not frozen.
    pub(super) fn update(
        &mut self,
        outline: &Outline,
        sgd: &Sgd,
        frozen: &[bool],
    ) -> Result<(), EngineError> {
        if !self.updates.contains_key(frozen) {
            let Some(prepared) = self.prepared(update(outline, self.slabs, frozen, false))? else {
                return Ok(());
            };
            self.updates.insert(frozen.to_vec(), prepared);
        }
        self.device.upload(sgd_words(sgd).as_flattened(), self.slabs.told.sgd)?;
        self.refresh_copies()?;
        self.updates.get_mut(frozen).map_or(Ok(()), |update| Ok(update.run()?))
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.settle();
        let taken = [self.arena, self.adjustments, self.kept, self.brought, self.maps].into_iter().flatten();
        taken
            .map(|taken| taken.address)
            .chain([self.memory])
            .for_each(|address| self.device.release(address));
    }
}

/// What happened first says more than that another device was waited for.
pub(super) fn first_error(errors: impl Iterator<Item = EngineError>) -> Option<EngineError> {
    let mut errors: Vec<EngineError> = errors.collect();
    errors.sort_by_key(|error| *error == EngineError::Device(Fault::Peer));
    errors.into_iter().next()
}

/// Memory of so many bytes in a place; what was there of another size goes first, so that both need not fit.
fn taken(device: &dyn Device, place: &mut Option<Taken>, bytes: usize) -> Result<Taken, EngineError> {
    if let Some(taken) = *place
        && taken.bytes == bytes
    {
        return Ok(taken);
    }
    if let Some(old) = place.take() {
        device.release(old.address);
    }
    Ok(*place.insert(Taken { address: device.allocate(bytes)?, bytes }))
}

/// Types whose values are all bytes, without any between them.
trait Plain: Copy {}
impl Plain for f32 {}
impl Plain for PixelMap {}

fn bytes_of<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: `Plain` says that every byte is initialised.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}
