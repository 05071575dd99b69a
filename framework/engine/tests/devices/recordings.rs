//! Work that a GPU replays gives the bits of work that it is told command by command.

use crate::arrays::{coarse, get, put};
use crate::devices::gpus;
use balpoe_engine::cuda::{Command, Convolution, ConvolutionPass, Device as _, Gpu, Precision};
use balpoe_net::{Shape, Window};

/// Runs of a list of convolutions and copies, on input that changes between them.
fn runs(gpu: &Gpu, precision: Precision) -> Vec<Vec<f32>> {
    let shape = Shape::new(16, 16, 32);
    let len = 8 * shape.len();
    let (x, y) = (put(gpu, &coarse(1, len)), put(gpu, &coarse(2, len)));
    let weight = put(gpu, &coarse(3, 32 * 32 * 9));
    let convolution = |pass, x, y| {
        let window = Window::new(3).stride(1).padding(1);
        Command::Convolve(Convolution {
            pass,
            images: 8,
            input: shape,
            output: shape,
            window,
            groups: 1,
            x,
            weight,
            y,
        })
    };
    let commands = vec![
        convolution(ConvolutionPass::Forward, x, y),
        convolution(ConvolutionPass::Weight, x, y),
        convolution(ConvolutionPass::Input, x, y),
    ];
    let mut list = gpu.prepare(commands).unwrap();
    let bytes = len * if precision == Precision::Bf16 { 2 } else { 4 };
    (0..4)
        .map(|seed| {
            let values = coarse(seed, len);
            let fresh = put(gpu, &values);
            let refill = Command::Copy { from: fresh, to: x, bytes };
            gpu.prepare(vec![refill]).unwrap().run().unwrap();
            gpu.release(fresh);
            list.run().unwrap();
            let mut all = get(gpu, x, len);
            all.extend(get(gpu, y, len));
            all.extend(get(gpu, weight, 32 * 32 * 9));
            // Weights would grow from run to run.
            let again = put(gpu, &coarse(3, 32 * 32 * 9));
            let back = Command::Copy { from: again, to: weight, bytes: bytes / len * 32 * 32 * 9 };
            gpu.prepare(vec![back]).unwrap().run().unwrap();
            gpu.release(again);
            all
        })
        .collect()
}

#[test]
fn a_recording_gives_the_bits_of_its_commands_and_so_does_the_next_process() {
    for precision in Precision::ALL {
        let Some(group) = gpus(1, precision) else { return };
        let gpu = &group[0];
        let recorded = runs(gpu, precision);
        assert_eq!(gpu.recorded(), 1, "{precision}");
        gpu.set_recording(false);
        let told = runs(gpu, precision);
        assert_eq!(gpu.recorded(), 1, "{precision}");
        assert!(recorded == told, "{precision}");
        // Another opening chooses the same algorithms.
        let again = gpus(1, precision).unwrap();
        assert!(recorded == runs(&again[0], precision), "{precision}");
    }
}
