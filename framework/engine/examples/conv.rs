//! Speed of the convolution kernels on one thread, by shape, pass and instruction set.
//!
//! `cargo run --release -p balpoe-engine --example conv -- [avx512|avx2|portable] [direct] [part of a name]`

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use balpoe_engine::{ConvShape, ConvSpeed, InstructionSet, UnavailableInstructionSet, peak_flops};

/// Name; input size and channels; output channels; kernel, stride, groups; images.
type Case = (&'static str, usize, [usize; 2], [usize; 3], usize);

const CASES: [Case; 22] = [
    ("resnet32 stem", 32, [3, 16], [3, 1, 1], 32),
    ("resnet32 16", 32, [16, 16], [3, 1, 1], 32),
    ("resnet32 16-32 /2", 32, [16, 32], [3, 2, 1], 32),
    ("resnet32 32", 16, [32, 32], [3, 1, 1], 32),
    ("resnet32 32-64 /2", 16, [32, 64], [3, 2, 1], 32),
    ("resnet32 64", 8, [64, 64], [3, 1, 1], 32),
    ("resnet50 stem 7x7 /2", 224, [3, 64], [7, 2, 1], 1),
    ("resnet50 64", 56, [64, 64], [3, 1, 1], 2),
    ("resnet50 128", 28, [128, 128], [3, 1, 1], 2),
    ("resnet50 256", 14, [256, 256], [3, 1, 1], 4),
    ("resnet50 512", 7, [512, 512], [3, 1, 1], 3),
    ("resnet50 128 /2", 56, [128, 128], [3, 2, 1], 1),
    ("resnet50 64-256 1x1", 56, [64, 256], [1, 1, 1], 2),
    ("resnet50 256-64 1x1", 56, [256, 64], [1, 1, 1], 2),
    ("resnet50 512-128 1x1", 28, [512, 128], [1, 1, 1], 2),
    ("resnet50 1024-256 1x1", 14, [1024, 256], [1, 1, 1], 2),
    ("resnet50 2048-512 1x1", 7, [2048, 512], [1, 1, 1], 2),
    ("resnet50 256-512 1x1 /2", 56, [256, 512], [1, 2, 1], 1),
    ("resnext50 128, 32 groups", 56, [128, 128], [3, 1, 32], 4),
    ("resnext50 256, 32 groups", 28, [256, 256], [3, 1, 32], 4),
    ("resnext50 512, 32 groups", 14, [512, 512], [3, 1, 32], 4),
    ("resnext50 256, 32 groups /2", 56, [256, 256], [3, 2, 32], 2),
];

fn main() -> Result<(), UnavailableInstructionSet> {
    let mut set = InstructionSet::detect();
    let (mut winograd, mut part) = (true, String::new());
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "avx512" => set = InstructionSet::Avx512,
            "avx2" => set = InstructionSet::Avx2,
            "portable" => set = InstructionSet::Portable,
            "direct" => winograd = false,
            _ => part = argument,
        }
    }
    let peak = peak_flops(set)? / 1e9;
    println!(
        "{set}, one thread, {peak:.0} GFLOP/s of multiply-adds; operations as the direct algorithm counts them"
    );
    println!("{:28} {:9} {:>28} {:>28} {:>28}", "", "", "forward", "data gradient", "weight gradient");
    println!("{:28} {:9} {}", "shape", "algorithm", "      us/image GFLOP/s  peak ".repeat(3));
    for (name, size, [in_channels, out_channels], [kernel, stride, groups], images) in CASES {
        if !name.contains(&part) {
            continue;
        }
        let out = (size - 1) / stride + 1;
        let shape = ConvShape {
            in_height: size,
            in_width: size,
            in_channels,
            out_height: out,
            out_width: out,
            out_channels,
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [kernel / 2; 2],
            groups,
        };
        let speed = ConvSpeed::measure(&shape, images, set, winograd)?;
        let operations = 2e-9 * speed.multiply_adds as f64;
        print!("{name:28} {:9}", speed.algorithm);
        for seconds in speed.seconds {
            let rate = operations / seconds;
            print!("{:15.1} {rate:7.0} {:4.0} %", 1e6 * seconds / images as f64, 100.0 * rate / peak);
        }
        let [pack, transposed, finish] = speed.overhead.map(|seconds| 1e6 * seconds);
        println!("   pack {pack:.0} + {transposed:.0}, finish {finish:.0} us");
    }
    Ok(())
}
