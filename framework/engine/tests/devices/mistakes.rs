//! Devices that make a mistake.

use balpoe_emulation::EmulatedGpu;
use balpoe_engine::cuda::{
    Address, Argument, Arriving, Command, Convolution, ConvolutionPass, Device, Fault, Launch, Prepared,
    Product, Storage,
};
use std::cell::{Cell, RefCell};

/// What a device does wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mistake {
    WithoutKernel(&'static str),
    WithoutConvolution(ConvolutionPass),
    WithoutProducts,
    /// The middle tap is left out of a pass of one convolution of three by three, by its place among those of a list.
    Tap {
        pass: ConvolutionPass,
        place: usize,
    },
    /// A kernel adds another number to variances.
    Epsilon {
        kernel: &'static str,
        value: f64,
    },
    /// Running statistics move at another rate.
    Momentum(f64),
    /// An update is made with another number.
    Setting {
        place: usize,
        factor: f32,
    },
    /// The loss's gradient of the second expert counts twice.
    DoubledExpert,
    /// Running variances are of `n` values, and not of `n - 1`.
    BiasedVariance,
}

/// What gives batch norms their coefficients; which of its arguments is the `Norm` of `batch_norm.cu`, of how many words; and
/// what some of these are.
const BATCH_NORM: &str = "batch_norm_coefficients_of_chunks";
const NORM: usize = 2;
const WORDS: usize = 10;
const RUNNING_VARIANCE: usize = 3;
const EPSILON: usize = 8;
const MOMENTUM: usize = 9;

/// Changes a number of a `Norm`.
fn set_in_norm(launch: &mut Launch, place: usize, value: f64) {
    let mut words: [u64; WORDS] = std::array::from_fn(|word_place| word(launch, NORM, word_place));
    words[place] = value.to_bits();
    launch.arguments[NORM] = Argument::new(words);
}

/// A device that makes a mistake.
pub(crate) struct Mistaken {
    device: EmulatedGpu,
    mistake: Mistake,
    /// Memory for what it takes to be wrong.
    scratch: RefCell<Vec<Address>>,
    /// Where updates read their settings.
    settings: Cell<Address>,
}

impl Mistaken {
    pub(crate) fn new(device: EmulatedGpu, mistake: Mistake) -> Self {
        Self { device, mistake, scratch: RefCell::default(), settings: Cell::new(Address::NULL) }
    }

    /// What becomes of a list.
    fn change(&self, commands: Vec<Command>) -> Result<Vec<Command>, Fault> {
        let mut changed = Vec::new();
        let mut convolutions = 0;
        for command in commands {
            if let Command::Launch(launch) = &command
                && launch.kernel == "sgd"
            {
                self.settings.set(address(launch, 4));
            }
            match (self.mistake, command) {
                (Mistake::WithoutKernel(kernel), Command::Launch(launch)) if launch.kernel == kernel => {}
                (Mistake::WithoutConvolution(pass), Command::Convolve(c)) if c.pass == pass => {}
                (Mistake::WithoutProducts, Command::Multiply(_)) => {}
                (Mistake::Tap { pass, place }, Command::Convolve(c))
                    if c.pass == pass && c.window.kernel == [3, 3] =>
                {
                    if convolutions == place {
                        self.without_middle(c, &mut changed)?;
                    } else {
                        changed.push(Command::Convolve(c));
                    }
                    convolutions += 1;
                }
                (Mistake::Epsilon { kernel, value }, Command::Launch(mut launch))
                    if launch.kernel == kernel =>
                {
                    if kernel == "running_coefficients" {
                        launch.arguments[7] = Argument::new(value);
                    } else {
                        set_in_norm(&mut launch, EPSILON, value);
                    }
                    changed.push(Command::Launch(launch));
                }
                (Mistake::Momentum(value), Command::Launch(mut launch)) if launch.kernel == BATCH_NORM => {
                    set_in_norm(&mut launch, MOMENTUM, value);
                    changed.push(Command::Launch(launch));
                }
                (Mistake::DoubledExpert, Command::Launch(launch))
                    if launch.kernel == "logit_adjusted_cross_entropy" =>
                {
                    let [gradient, len] =
                        [address(&launch, 7), Address(integer(&launch, 9, 0) * integer(&launch, 10, 0))];
                    changed.push(Command::Launch(launch));
                    let second = gradient.offset(len.0 as usize * size_of::<f32>());
                    changed.push(self.combination(second, second, len.0 as usize, &[2.0])?);
                }
                (Mistake::BiasedVariance, Command::Launch(launch)) if launch.kernel == BATCH_NORM => {
                    self.biased(launch, &mut changed)?;
                }
                (_, command) => changed.push(command),
            }
        }
        Ok(changed)
    }

    fn room(&self, bytes: usize) -> Result<Address, Fault> {
        let room = self.device.allocate(bytes)?;
        self.scratch.borrow_mut().push(room);
        Ok(room)
    }

    /// `to[i] = sum of factors[k] from[k][i]`, where `from` is `[factors, len]`.
    fn combination(&self, from: Address, to: Address, len: usize, factors: &[f32]) -> Result<Command, Fault> {
        let bytes: Vec<u8> = factors.iter().flat_map(|factor| factor.to_ne_bytes()).collect();
        let b = self.room(bytes.len())?;
        self.device.upload(&bytes, b)?;
        let depth = factors.len();
        let transposed = [true, false];
        Ok(Command::Multiply(Product {
            a: from,
            b,
            c: to,
            rows: len,
            columns: 1,
            depth,
            transposed,
            factor: 1.0,
        }))
    }

    fn without_middle(&self, mut c: Convolution, commands: &mut Vec<Command>) -> Result<(), Fault> {
        let value = if self.device.storage() == Storage::F32 { 4 } else { 2 };
        let inputs = c.input.channels / c.groups * value;
        let window = 9 * inputs;
        let bytes = c.output.channels * window;
        let clear = |weight: Address| {
            (0..c.output.channels).map(move |out| Command::Clear {
                address: weight.offset(out * window + 4 * inputs),
                bytes: inputs,
            })
        };
        if c.pass == ConvolutionPass::Weight {
            commands.push(Command::Convolve(c));
            commands.extend(clear(c.weight));
        } else {
            let copy = self.room(bytes)?;
            commands.push(Command::Copy { from: c.weight, to: copy, bytes });
            commands.extend(clear(copy));
            c.weight = copy;
            commands.push(Command::Convolve(c));
        }
        Ok(())
    }

    /// The running variance is `(1 - momentum) old + momentum v`; with `v` of one value more it is this, less a part of `v`.
    fn biased(&self, launch: Launch, commands: &mut Vec<Command>) -> Result<(), Fault> {
        let variance = Address(word(&launch, NORM, RUNNING_VARIANCE));
        let channels = integer(&launch, NORM + 1, 0) as usize;
        let [group, pixels, batch] = [0, 1, 2].map(|place| integer(&launch, NORM + 2, place));
        let share = 1.0 / (group.min(batch) * pixels) as f32;
        let bytes = channels * size_of::<f32>();
        let values = self.room(2 * bytes)?;
        commands.push(Command::Copy { from: variance, to: values.offset(bytes), bytes });
        commands.push(Command::Launch(launch));
        commands.push(Command::Copy { from: variance, to: values, bytes });
        // The momentum of the self-check's norms.
        let old = 1.0 - 0.75;
        commands.push(self.combination(values, variance, channels, &[1.0 - share, old * share])?);
        Ok(())
    }
}

#[expect(unsafe_code, reason = "an argument is bytes, as a launch takes it")]
fn word(launch: &Launch, argument: usize, place: usize) -> u64 {
    // SAFETY: the kernel's parameter has as many words.
    unsafe { launch.arguments[argument].as_ptr().add(place).read() }
}

fn address(launch: &Launch, argument: usize) -> Address {
    Address(word(launch, argument, 0))
}

/// The integer at a place of an argument that is made of them.
fn integer(launch: &Launch, argument: usize, place: usize) -> u64 {
    let [low, high] = [0, 32].map(|shift| (word(launch, argument, place / 2) >> shift) as u32);
    u64::from(if place.is_multiple_of(2) { low } else { high })
}

impl Drop for Mistaken {
    fn drop(&mut self) {
        self.scratch.take().into_iter().for_each(|room| self.device.release(room));
    }
}

impl Device for Mistaken {
    fn name(&self) -> String {
        format!("{} with {:?}", self.device.name(), self.mistake)
    }

    fn storage(&self) -> Storage {
        self.device.storage()
    }

    fn group(&self) -> usize {
        self.device.group()
    }

    fn rank(&self) -> usize {
        self.device.rank()
    }

    fn allocate(&self, bytes: usize) -> Result<Address, Fault> {
        self.device.allocate(bytes)
    }

    fn release(&self, address: Address) {
        self.device.release(address);
    }

    fn upload(&self, bytes: &[u8], to: Address) -> Result<(), Fault> {
        match self.mistake {
            // They are the first of what a step is told.
            Mistake::Setting { place, factor } if to == self.settings.get() => {
                let mut told = bytes.to_vec();
                let setting = &mut told.as_chunks_mut::<4>().0[place];
                *setting = (f32::from_ne_bytes(*setting) * factor).to_ne_bytes();
                self.device.upload(&told, to)
            }
            _ => self.device.upload(bytes, to),
        }
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), Fault> {
        self.device.download(from, bytes)
    }

    fn begin_download(&self, from: Address, bytes: usize) -> Result<Box<dyn Arriving>, Fault> {
        self.device.begin_download(from, bytes)
    }

    fn prepare(&self, commands: Vec<Command>) -> Result<Box<dyn Prepared>, Fault> {
        self.device.prepare(self.change(commands)?)
    }
}
