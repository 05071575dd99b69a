//! The self-check passes on devices that compute what the processor computes, and on no other.

use crate::devices::groups;
use crate::mistakes::{Mistake, Mistaken};
use balpoe_emulation::EmulatedGpu;
use balpoe_engine::cuda::{ConvolutionPass, Device, KERNEL_FILES, Precision};
use balpoe_engine::{CheckFailure, check_devices};

#[test]
fn devices_that_compute_what_the_processor_computes_pass() {
    for precision in Precision::ALL {
        for devices in [1, 2] {
            for group in groups(devices, precision) {
                let name = group[0].name();
                let checked = check_devices(group, precision, 0).map(drop);
                assert_eq!(checked, Ok(()), "{name}, {devices} devices, {precision}");
            }
        }
    }
}

#[test]
fn rounding_passes_whatever_the_numbers_are() {
    for seed in 0..12 {
        for precision in [Precision::F32, Precision::Bf16] {
            let Some(mut group) = EmulatedGpu::group(1, precision.storage()) else {
                println!("skipped in emulation: there is no C++ compiler (g++)");
                return;
            };
            let checked = check_devices(vec![Box::new(group.remove(0))], precision, seed);
            // There is as much room again.
            assert!(matches!(checked, Ok(largest) if largest < 0.5), "{precision}, seed {seed}: {checked:?}");
        }
    }
}

#[test]
fn a_device_that_leaves_anything_out_is_found() {
    let kernels = KERNEL_FILES.iter().flat_map(|file| file.kernels);
    let passes = [ConvolutionPass::Forward, ConvolutionPass::Input, ConvolutionPass::Weight];
    let all = kernels.map(|&kernel| Mistake::WithoutKernel(kernel));
    for mistake in all.chain(passes.map(Mistake::WithoutConvolution)).chain([Mistake::WithoutProducts]) {
        // Conversions are for 16 bits only, and all else shows best in 32.
        let precision = match mistake {
            Mistake::WithoutKernel("to_real" | "to_float") => Precision::Bf16,
            _ => Precision::F32,
        };
        // One device adds up nothing from others, and of three, two share a group of images.
        let devices = match mistake {
            Mistake::WithoutKernel("batch_norm_coefficients" | "batch_norm_gradient_coefficients") => 3,
            _ => 1,
        };
        assert_found(mistake, precision, devices);
    }
}

#[test]
fn a_device_with_a_single_small_mistake_is_found_in_every_precision() {
    use ConvolutionPass::{Forward, Input, Weight};
    // All convolutions of three by three, in the order in which a list has them; two of them read images, which get no gradient.
    let taps = [(Forward, 6), (Weight, 6), (Input, 4)];
    let taps =
        taps.into_iter().flat_map(|(pass, count)| (0..count).map(move |place| Mistake::Tap { pass, place }));
    let others = [
        Mistake::Epsilon { kernel: "batch_norm_coefficients_of_chunks", value: 0.018 },
        Mistake::Momentum(0.7),
        Mistake::Epsilon { kernel: "running_coefficients", value: 0.0 },
        Mistake::Setting { place: 0, factor: 1.001 },
        Mistake::Setting { place: 1, factor: 1.001 },
        Mistake::Setting { place: 2, factor: 1.1 },
        Mistake::DoubledExpert,
        Mistake::BiasedVariance,
    ];
    for mistake in taps.chain(others) {
        for precision in Precision::ALL {
            assert_found(mistake, precision, 1);
        }
    }
}

fn assert_found(mistake: Mistake, precision: Precision, devices: usize) {
    let Some(group) = EmulatedGpu::group(devices, precision.storage()) else {
        println!("skipped in emulation: there is no C++ compiler (g++)");
        return;
    };
    let mistaken = |device| Box::new(Mistaken::new(device, mistake)) as Box<dyn Device>;
    let checked = check_devices(group.into_iter().map(mistaken).collect(), precision, 0);
    assert!(
        matches!(checked, Err(CheckFailure::Disagreement { .. })),
        "{mistake:?} in {precision}: {checked:?}"
    );
}
