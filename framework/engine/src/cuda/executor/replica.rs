//! One replica: its device, its memory, and the programs that are ready to run.

use super::arguments::sgd_bytes;
use super::build::{Built, Port, Purpose, build, copy_weights, update};
use super::outline::{LossShape, Outline, Part};
use super::rooms::Layout;
use super::slabs::Slabs;
use crate::cuda::{Address, Command, Device, Fault, Prepared, Storage};
use crate::{EngineError, SoftTargets};
use balpoe_net::{LogitAdjustedCrossEntropy, Sgd};
use std::collections::BTreeMap;

/// Names a pass: what it does, for which batch, and which parameters a whole step leaves alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pass {
    Evaluate { batch: usize },
    Train { batch: usize },
    Step { batch: usize, frozen: Vec<bool> },
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
            Pass::Step { .. } => {
                let (loss, layout) = self.step.as_ref().ok_or(EngineError::NoLoss)?;
                Ok((Purpose::Step(loss.clone()), layout))
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
    slabs: Slabs,
    memory: Address,
    /// With its bytes.
    arena: Option<(Address, usize)>,
    /// With its values.
    adjustments: Option<(Address, usize)>,
    device: Box<dyn Device>,
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
            slabs: Slabs::new(outline, memory).0,
            memory,
            arena: None,
            adjustments: None,
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
            self.passes.retain(|pass, _| !matches!(pass, Pass::Step { .. }));
        }
        if self.adjustments.is_none_or(|(_, len)| len != values.len()) {
            if let Some((old, _)) = self.adjustments.take() {
                self.device.release(old);
            }
            let address = self.device.allocate(size_of_val(&values[..]))?;
            self.adjustments = Some((address, values.len()));
            self.slabs.adjustments = address;
        }
        self.write(self.slabs.adjustments, 0, &values)
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
        if let Some((address, size)) = self.arena {
            if bytes <= size {
                return Ok(address);
            }
            self.passes.clear();
            self.arena = None;
            self.device.release(address);
        }
        let address = self.device.allocate(bytes)?;
        self.arena = Some((address, bytes));
        Ok(address)
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

    /// Brings what a step's loss and update need.
    pub(super) fn write_step(&self, targets: &SoftTargets<'_>, sgd: &Sgd) -> Result<(), EngineError> {
        let Slabs { first, second, lambda, smoothing, .. } = self.slabs;
        for (labels, address) in [(targets.first, first), (targets.second, second)] {
            let bytes: Vec<u8> = labels.iter().flat_map(|label| label.to_ne_bytes()).collect();
            self.device.upload(&bytes, address)?;
        }
        self.write(lambda, 0, targets.lambda)?;
        self.write(smoothing, 0, &[targets.smoothing])?;
        Ok(self.device.upload(&sgd_bytes(sgd), self.slabs.sgd)?)
    }

    /// Loss and correct predictions of the last step, over all devices.
    pub(super) fn outcome(&self) -> Result<[f64; 2], EngineError> {
        let mut bytes = [0; 16];
        self.device.download(self.slabs.outcome, &mut bytes)?;
        let numbers = bytes.as_chunks::<8>().0;
        Ok([0, 1].map(|i| f64::from_ne_bytes(numbers[i])))
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
        self.device.upload(&sgd_bytes(sgd), self.slabs.sgd)?;
        self.refresh_copies()?;
        self.updates.get_mut(frozen).map_or(Ok(()), |update| Ok(update.run()?))
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.passes.clear();
        self.updates.clear();
        self.copying = None;
        let taken = [self.arena, self.adjustments].into_iter().flatten().map(|(address, _)| address);
        taken.chain([self.memory]).for_each(|address| self.device.release(address));
    }
}

/// What happened first says more than that another device was waited for.
pub(super) fn first_error(errors: impl Iterator<Item = EngineError>) -> Option<EngineError> {
    let mut errors: Vec<EngineError> = errors.collect();
    errors.sort_by_key(|error| *error == EngineError::Device(Fault::Peer));
    errors.into_iter().next()
}

fn bytes_of(values: &[f32]) -> &[u8] {
    // SAFETY: every value is four bytes.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}
