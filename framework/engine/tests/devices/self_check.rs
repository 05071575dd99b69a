//! The self-check passes on devices that compute what the processor computes, and on no other.

use crate::devices::groups;
use balpoe_emulation::EmulatedGpu;
use balpoe_engine::cuda::{
    Address, Arriving, Command, ConvolutionPass, Device, Fault, KERNEL_FILES, Precision, Prepared, Storage,
};
use balpoe_engine::{CheckFailure, check_devices};

#[test]
fn devices_that_compute_what_the_processor_computes_pass() {
    for precision in Precision::ALL {
        for devices in [1, 2] {
            for group in groups(devices, precision) {
                let name = group[0].name();
                let checked = check_devices(group, precision);
                assert_eq!(checked, Ok(()), "{name}, {devices} devices, {precision}");
            }
        }
    }
}

/// A device that leaves out some commands.
struct Forgetful {
    device: EmulatedGpu,
    forgets: Forgets,
}

#[derive(Clone, Copy, Debug)]
enum Forgets {
    Kernel(&'static str),
    Convolution(ConvolutionPass),
    Products,
}

impl Forgets {
    fn forgets(self, command: &Command) -> bool {
        match (self, command) {
            (Self::Kernel(kernel), Command::Launch(launch)) => launch.kernel == kernel,
            (Self::Convolution(pass), Command::Convolve(convolution)) => convolution.pass == pass,
            (Self::Products, Command::Multiply(_)) => true,
            _ => false,
        }
    }
}

impl Device for Forgetful {
    fn name(&self) -> String {
        format!("{} without {:?}", self.device.name(), self.forgets)
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
        self.device.upload(bytes, to)
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), Fault> {
        self.device.download(from, bytes)
    }

    fn begin_download(&self, from: Address, bytes: usize) -> Result<Box<dyn Arriving>, Fault> {
        self.device.begin_download(from, bytes)
    }

    fn prepare(&self, mut commands: Vec<Command>) -> Result<Box<dyn Prepared>, Fault> {
        commands.retain(|command| !self.forgets.forgets(command));
        self.device.prepare(commands)
    }
}

#[test]
fn a_device_that_leaves_anything_out_is_found() {
    // Those of the input are used by loaders, not by executors.
    let elsewhere = ["view_images"];
    let kernels =
        KERNEL_FILES.iter().flat_map(|file| file.kernels).filter(|kernel| !elsewhere.contains(kernel));
    let passes = [ConvolutionPass::Forward, ConvolutionPass::Input, ConvolutionPass::Weight];
    let all = kernels.map(|&kernel| Forgets::Kernel(kernel)).chain(passes.map(Forgets::Convolution));
    for forgets in all.chain([Forgets::Products]) {
        // Conversions are for 16 bits only, and all else shows best in 32.
        let precision = match forgets {
            Forgets::Kernel("to_real" | "to_float") => Precision::Bf16,
            _ => Precision::F32,
        };
        let Some(mut group) = EmulatedGpu::group(1, precision.storage()) else {
            println!("skipped in emulation: there is no C++ compiler (g++)");
            return;
        };
        let device: Box<dyn Device> = Box::new(Forgetful { device: group.remove(0), forgets });
        let checked = check_devices(vec![device], precision);
        assert!(matches!(checked, Err(CheckFailure::Disagreement { .. })), "{forgets:?}: {checked:?}");
    }
}
