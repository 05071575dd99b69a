//! Speed of single operations on one thread, and how far each is from what the processor allows.

use std::time::Instant;

use balpoe_core::components::{Targets, Trainees};
use balpoe_core::experiment::Arm;
use balpoe_engine::{
    ConvShape, ConvSpeed, EngineError, InstructionSet, ProductSpeed, SoftTargets, ThreadPool,
    logit_adjusted_cross_entropy, peak_flops,
};
use balpoe_net::{Net, Op};

use super::data::sizes_only;
use crate::bridge::{BridgeStep, EngineExpert, LogitSource, loss_through_dfdx};
use crate::error::LabError;
use crate::network::Network;

/// One pass of one operation.
#[derive(Clone, Debug)]
pub struct OperationSpeed {
    /// The operation and its shape, such as `conv 3x3, 16 to 16 at 32x32`.
    pub name: String,
    /// What is computed, such as `data gradient`.
    pub pass: &'static str,
    /// What computes it, such as `winograd`.
    pub kernel: String,
    /// How often a training step of the network has it; 0 for what is measured beside it.
    pub times: usize,
    /// Seconds: the least of many short runs.
    pub seconds: f64,
    /// Multiply-adds as the direct computation has them.
    pub multiply_adds: usize,
    /// Bytes of operands and results, each counted once.
    pub bytes: usize,
    /// Seconds below which it cannot be: of a convolution or product, those of the algorithm's own multiply-adds at the peak; of a
    /// loss, those of its bytes at the speed of a copy.
    pub floor: f64,
}

/// The speed of operations, and what it is held against.
#[derive(Clone, Debug)]
pub struct Operations {
    /// Floating-point operations a second of multiply-adds in registers.
    pub peak_flops: f64,
    /// Bytes a second, read and written, of a copy through memory.
    pub copy_speed: f64,
    /// The network's convolutions and products by shape; then products and losses at 8,142 classes.
    pub operations: Vec<OperationSpeed>,
}

/// Rows and features of a batch for iNaturalist 2018, and its classes.
const LARGE: [usize; 3] = [512, 2048, 8142];
/// Values of the array that is copied: more than caches hold.
const COPIED: usize = 16 << 20;
/// Passes of a convolution or product.
const PASSES: [&str; 3] = ["forward", "data gradient", "weight gradient"];

/// Measures the convolutions and products of an arm's network for batches of `images`, and what 8,142 classes need, on one
/// thread. `size` is the images' height and width, `class_counts` the training images of each class.
///
/// # Errors
/// If the network cannot be described, or an operation fails.
pub fn bench_operations(
    arm: &Arm,
    size: (usize, usize),
    class_counts: &[usize],
    images: usize,
) -> Result<Operations, LabError> {
    let network = Network::describe(arm, &sizes_only(size, class_counts))?;
    let set = InstructionSet::detect();
    let peak_flops = peak_flops(set).map_err(EngineError::from)?;
    let copy_speed = copy_speed()?;
    let pool = ThreadPool::new(1)?;
    let mut operations = Vec::new();
    for (shape, times, is_first) in convolutions(&network.net) {
        let speed = ConvSpeed::measure(&shape, images, set, arm.train.winograd).map_err(EngineError::from)?;
        for (pass, seconds) in PASSES.into_iter().zip(speed.seconds) {
            // Images need no gradient.
            if is_first && pass == PASSES[1] {
                continue;
            }
            operations.push(OperationSpeed {
                name: conv_name(&shape),
                pass,
                kernel: speed.algorithm.to_owned(),
                times,
                seconds,
                multiply_adds: speed.multiply_adds,
                bytes: speed.bytes,
                floor: 2.0 * speed.own_multiply_adds as f64 / peak_flops,
            });
        }
    }
    let [rows, features, classes] = LARGE;
    let own = [images, network.features, network.classes];
    for (sizes, times) in [(own, network.experts), ([rows, features, classes], 0)] {
        let [batch, features, classes] = sizes;
        let speed = ProductSpeed::measure(&pool, batch, features, classes)?;
        for (pass, seconds) in PASSES.into_iter().zip(speed.seconds) {
            operations.push(OperationSpeed {
                name: format!("product {batch}x{features} to {classes}"),
                pass,
                kernel: "gemm".to_owned(),
                times,
                seconds,
                multiply_adds: speed.multiply_adds,
                bytes: speed.bytes,
                floor: 2.0 * speed.multiply_adds as f64 / peak_flops,
            });
        }
    }
    for (kernel, seconds) in losses(arm, &pool, rows, classes)? {
        let bytes = 2 * rows * classes * size_of::<f32>();
        operations.push(OperationSpeed {
            name: format!("loss {rows}x{classes}"),
            pass: "with gradient",
            kernel: kernel.to_owned(),
            times: 0,
            seconds,
            multiply_adds: 0,
            bytes,
            floor: bytes as f64 / copy_speed,
        });
    }
    Ok(Operations { peak_flops, copy_speed, operations })
}

/// The network's convolutions by shape: how many there are of each, and whether it reads the images.
fn convolutions(net: &Net) -> Vec<(ConvShape, usize, bool)> {
    let mut found: Vec<(ConvShape, usize, bool)> = Vec::new();
    for node in net.nodes() {
        let Op::Conv { window, groups, .. } = &node.op else { continue };
        let input = net.node(node.inputs[0]);
        let shape = ConvShape {
            in_height: input.shape.height,
            in_width: input.shape.width,
            in_channels: input.shape.channels,
            out_height: node.shape.height,
            out_width: node.shape.width,
            out_channels: node.shape.channels,
            kernel: window.kernel,
            stride: window.stride,
            padding: window.padding,
            groups: *groups,
        };
        let is_first = matches!(input.op, Op::Input);
        match found.iter_mut().find(|(other, _, first)| *other == shape && *first == is_first) {
            Some((_, times, _)) => *times += 1,
            None => found.push((shape, 1, is_first)),
        }
    }
    found
}

fn conv_name(shape: &ConvShape) -> String {
    let [rows, columns] = shape.kernel;
    let mut name = format!(
        "conv {rows}x{columns}, {} to {} at {}x{}",
        shape.in_channels, shape.out_channels, shape.in_height, shape.in_width
    );
    if shape.stride != [1, 1] {
        name += &format!(", stride {}", shape.stride[0]);
    }
    if shape.groups > 1 {
        name += &format!(", {} groups", shape.groups);
    }
    name
}

/// Seconds of the arm's loss with its gradient on logits `[rows, classes]` of one expert: in the engine, where it has such a
/// form, and through dfdx.
fn losses(
    arm: &Arm,
    pool: &ThreadPool,
    rows: usize,
    classes: usize,
) -> Result<Vec<(&'static str, f64)>, LabError> {
    // From 1000 images to 2, as in iNaturalist 2018.
    let count = |class: usize| (1000.0 * 0.002_f64.powf(class as f64 / (classes - 1) as f64)) as usize;
    let class_counts: Vec<usize> = (0..classes).map(count).collect();
    let trainees = Trainees { experts: 1, class_counts: &class_counts };
    let loss =
        arm.recipe.objective.component.prepare(trainees).map_err(|error| arm.blame("objective", error))?;
    let targets = Targets::hard((0..rows).map(|row| (row * 7 % classes) as u32).collect());
    let logits: Vec<f32> = (0..rows * classes).map(|i| (i * 37 % 101) as f32 / 10.0).collect();
    let mut measured = Vec::new();
    if let Some(lowered) = loss.lower() {
        let soft = SoftTargets {
            first: &targets.first,
            second: &targets.second,
            lambda: &targets.lambda,
            smoothing: targets.smoothing,
        };
        let mut gradients = vec![Vec::new()];
        let seconds = least_seconds(|| {
            logit_adjusted_cross_entropy(pool, &[&logits], classes, &lowered, &soft, &mut gradients)?;
            Ok(())
        })?;
        measured.push(("engine", seconds));
    }
    let step = BridgeStep { targets: &targets, classes, epoch: 0, epochs: 1, device_seed: 0 };
    let seconds = least_seconds(|| {
        let source = LogitSource::Logits(logits.clone());
        let expert = EngineExpert { features: vec![0.0; rows], source };
        loss_through_dfdx(vec![expert], &*arm.head.component, &*loss, &step)?;
        Ok(())
    })?;
    measured.push(("dfdx", seconds));
    Ok(measured)
}

/// Bytes a second, read and written, of a copy that does not fit the caches.
fn copy_speed() -> Result<f64, LabError> {
    let source = vec![1.0_f32; COPIED];
    let mut target = vec![0.0_f32; COPIED];
    let seconds = least_seconds(|| {
        target.copy_from_slice(std::hint::black_box(&source));
        Ok(())
    })?;
    std::hint::black_box(&target);
    Ok((2 * COPIED * size_of::<f32>()) as f64 / seconds)
}

/// The least time of a few repetitions.
fn least_seconds(mut work: impl FnMut() -> Result<(), LabError>) -> Result<f64, LabError> {
    let begin = Instant::now();
    let (mut least, mut repeats) = (f64::INFINITY, 0);
    while repeats < 5 || begin.elapsed().as_millis() < 300 {
        let start = Instant::now();
        work()?;
        least = least.min(start.elapsed().as_secs_f64());
        repeats += 1;
    }
    Ok(least)
}
