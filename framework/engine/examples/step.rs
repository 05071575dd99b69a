//! Speed of a training step and of an evaluation: ResNet-32 for 32x32 images, batch 128, 100 classes.
//!
//! `cargo run --release -p balpoe-engine --example step -- [experts] [threads] [repeats] [ops] [avx512|avx2|portable]`

#![expect(clippy::print_stdout, reason = "an example prints its result")]

mod resnet32;

use balpoe_engine::{
    CpuExecutor, CpuOptions, InstructionSet, Mode, SoftTargets, logit_adjusted_cross_entropy,
};
use balpoe_net::LogitAdjustedCrossEntropy;
use resnet32::{BATCH, CLASSES, resnet32};
use std::error::Error;
use std::time::Instant;

/// Numbers like those of a network in training; their distribution does not matter for speed.
fn noise(len: usize, mut state: u64) -> Vec<f32> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: usize| arguments.get(place).map_or(Ok(default), |text| text.parse());
    let (experts, threads, repeats) = (number(0, 3)?, number(1, 2)?, number(2, 12)?);
    let net = resnet32(experts)?;
    let set = |name: &str| match name {
        "avx512" => Some(InstructionSet::Avx512),
        "avx2" => Some(InstructionSet::Avx2),
        "portable" => Some(InstructionSet::Portable),
        _ => None,
    };
    let instruction_set = arguments.iter().find_map(|argument| set(argument));
    let options = CpuOptions { threads, instruction_set, ..CpuOptions::new(BATCH) };
    let mut executor = CpuExecutor::new(&net, &options)?;
    for (i, parameter) in net.parameters().iter().enumerate() {
        let fan: usize = parameter.shape[1..].iter().product();
        let bound = (6.0 / fan as f32).sqrt();
        let values = noise(parameter.len(), i as u64).into_iter().map(|value| value * bound);
        let ones = parameter.shape.len() == 1 && parameter.name.ends_with("weight");
        for (target, value) in executor.parameter_mut(i).iter_mut().zip(values) {
            *target = if ones { 1.0 } else { value };
        }
    }
    let images = noise(BATCH * net.input_shape().len(), 7);
    let first: Vec<u32> = (0..BATCH as u32).map(|row| row * 7 % CLASSES as u32).collect();
    let second: Vec<u32> = first.iter().map(|label| (label + 31) % CLASSES as u32).collect();
    let targets = SoftTargets { first: &first, second: &second, lambda: &[0.7; BATCH], smoothing: 0.0 };
    let loss = LogitAdjustedCrossEntropy { adjustments: vec![vec![0.5; CLASSES]; experts] };
    let mut gradients = vec![Vec::new(); experts];

    let (mut forward, mut step) = (f64::MAX, f64::MAX);
    executor.set_timing(arguments.iter().any(|argument| argument == "ops"));
    for _ in 0..repeats {
        let start = Instant::now();
        executor.forward(&images, BATCH, Mode::Train)?;
        forward = forward.min(start.elapsed().as_secs_f64());
        let logits: Vec<&[f32]> = (0..experts).map(|k| executor.output(k)).collect();
        logit_adjusted_cross_entropy(executor.pool(), &logits, CLASSES, &loss, &targets, &mut gradients)?;
        let seeds: Vec<Option<&[f32]>> = gradients.iter().map(|gradient| Some(&gradient[..])).collect();
        executor.backward(&seeds)?;
        for i in 0..net.parameters().len() {
            let (parameter, gradient) = executor.parameter_and_gradient(i);
            parameter.iter_mut().zip(gradient).for_each(|(value, gradient)| *value -= 1e-3 * gradient);
        }
        step = step.min(start.elapsed().as_secs_f64());
    }
    let timings = executor.timings();
    for time in &timings {
        let gflops = 2e-9 * time.multiply_adds as f64 / time.best;
        let gbytes = 1e-9 * time.bytes as f64 / time.best;
        println!(
            "{:32} {:16} {:8.3} ms {gflops:7.1} GFLOP/s {gbytes:6.1} GB/s",
            time.name,
            time.kernel,
            1e3 * time.best
        );
    }
    println!(
        "sum of the operations' best times: {:.1} ms",
        timings.iter().map(|time| 1e3 * time.best).sum::<f64>()
    );
    executor.set_timing(false);
    let mut evaluation = f64::MAX;
    for _ in 0..repeats {
        let start = Instant::now();
        executor.forward(&images, BATCH, Mode::Evaluate)?;
        evaluation = evaluation.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{experts} experts, {threads} threads, {}: training {:.1} images/s ({:.1} ms, forward {:.1} ms), evaluation {:.1} images/s; arena {} MB",
        executor.instruction_set(),
        BATCH as f64 / step,
        1e3 * step,
        1e3 * forward,
        BATCH as f64 / evaluation,
        executor.training_bytes() / 1_000_000
    );
    Ok(())
}
