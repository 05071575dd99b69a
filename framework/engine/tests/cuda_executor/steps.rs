//! Whole training steps: against the processor's passes with loss and update beside them, several devices against one, and what
//! must not change where something is wrong.

use crate::common::{Random, block, parameters, relative_error};
use crate::{all, group, replicas};
use balpoe_emulation::EmulatedGpu;
use balpoe_engine::cuda::{Fault, Storage};
use balpoe_engine::{
    BatchNormGroup, CpuOptions, CpuReplicas, CudaReplicas, EngineError, Mode, SoftTargets, StepImages,
    ThreadPool, logit_adjusted_cross_entropy,
};
use balpoe_net::{BatchNorm, Conv, LogitAdjustedCrossEntropy, Net, NetBuilder, Sgd, Shape};

const CLASSES: usize = 10;
const EXPERTS: usize = 2;
/// The logits among the outputs.
const LOGITS: std::ops::Range<usize> = EXPERTS..2 * EXPERTS;
/// Relative to the largest value of a tensor.
const BOUND: f64 = 1e-5;

/// Two experts on a shared stage; features first, then logits.
pub(crate) fn network() -> Net {
    let mut net = NetBuilder::new(Shape::new(13, 12, 3));
    let x = net.conv(net.input(), "conv1", Conv::new(16, 3).padding(1)).unwrap();
    let x = net.batch_norm(x, "bn1", BatchNorm::new()).unwrap();
    let x = net.relu(x).unwrap();
    let trunk = block(&mut net, x, "layer1", 16, 1).unwrap();
    let features = [20, 32].map(|width| {
        let x = block(&mut net, trunk, &format!("layer2.{width}"), width, 2).unwrap();
        net.global_average_pool(x).unwrap()
    });
    for (expert, &x) in features.iter().enumerate() {
        net.output(format!("features.{expert}"), x).unwrap();
    }
    for (expert, &x) in features.iter().enumerate() {
        let logits = net.cosine_linear(x, format!("head.{expert}"), CLASSES, 30.0).unwrap();
        net.output(format!("logits.{expert}"), logits).unwrap();
    }
    net.finish().unwrap()
}

/// What one step is made of.
pub(crate) struct Batch {
    pub(crate) images: Vec<f32>,
    pub(crate) first: Vec<u32>,
    pub(crate) second: Vec<u32>,
    pub(crate) lambda: Vec<f32>,
}

impl Batch {
    fn new(net: &Net, len: usize, random: &mut Random) -> Self {
        let mut labels = || (0..len).map(|_| random.below(CLASSES) as u32).collect();
        let (first, second) = (labels(), labels());
        let lambda = random.values(len).iter().map(|value| value.abs().min(1.0)).collect();
        Self { images: random.values(len * net.input_shape().len()), first, second, lambda }
    }

    pub(crate) fn len(&self) -> usize {
        self.first.len()
    }

    pub(crate) fn targets(&self) -> SoftTargets<'_> {
        SoftTargets { first: &self.first, second: &self.second, lambda: &self.lambda, smoothing: 0.1 }
    }
}

pub(crate) fn loss() -> LogitAdjustedCrossEntropy {
    let adjustment = |expert: usize| (0..CLASSES).map(|class| -(0.3 * (expert * class) as f32)).collect();
    LogitAdjustedCrossEntropy { adjustments: (0..EXPERTS).map(adjustment).collect() }
}

pub(crate) fn sgd(step: usize) -> Sgd {
    Sgd {
        learning_rate: 1e-3 / (step + 1) as f64,
        momentum: 0.9,
        weight_decay: 5e-4,
        nesterov: step % 2 == 1,
    }
}

/// A stem that stays as it is.
pub(crate) fn frozen(net: &Net) -> Vec<bool> {
    (0..net.parameters().len()).map(|i| i == 0).collect()
}

/// What steps leave behind.
#[derive(PartialEq)]
pub(crate) struct After {
    outcomes: Vec<[f64; 2]>,
    gradients: Vec<Vec<f32>>,
    pub(crate) parameters: Vec<Vec<f32>>,
    velocities: Vec<Vec<f32>>,
    pub(crate) buffers: Vec<Vec<f32>>,
}

impl After {
    pub(crate) fn assert_like(&self, expected: &Self, what: &str) {
        for (step, (found, expected)) in self.outcomes.iter().zip(&expected.outcomes).enumerate() {
            for (found, expected) in found.iter().zip(expected) {
                let error = (found - expected).abs() / expected.abs().max(1.0);
                assert!(error <= BOUND, "{what}, step {step}: {found} instead of {expected}");
            }
        }
        for (kind, found, expected) in [
            ("gradient", &self.gradients, &expected.gradients),
            ("parameter", &self.parameters, &expected.parameters),
            ("velocity", &self.velocities, &expected.velocities),
            ("statistic", &self.buffers, &expected.buffers),
        ] {
            let largest = expected.iter().flatten().fold(0f32, |largest, value| largest.max(value.abs()));
            for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
                let expected: Vec<f64> = expected.iter().map(|&value| f64::from(value)).collect();
                let error = relative_error(found, &expected, 1e-2 * f64::from(largest));
                assert!(error <= BOUND, "{what}, {kind} {i}: {error:e}");
            }
        }
    }
}

pub(crate) fn batches(net: &Net, lens: &[usize]) -> Vec<Batch> {
    let mut random = Random::new(8);
    lens.iter().map(|&len| Batch::new(net, len, &mut random)).collect()
}

/// Steps on the processor, where loss and update are told apart.
fn on_processor(net: &Net, batches: &[Batch], group: BatchNormGroup) -> After {
    let options = CpuOptions { threads: 1, batch_norm: group, ..CpuOptions::new(16) };
    let mut executor = CpuReplicas::new(net, &options, 1).unwrap();
    let mut values = parameters(net, &mut Random::new(7));
    let mut velocities: Vec<Vec<f32>> = values.iter().map(|values| vec![0.0; values.len()]).collect();
    let pool = ThreadPool::new(1).unwrap();
    let (frozen, mut outcomes) = (frozen(net), Vec::new());
    for (step, batch) in batches.iter().enumerate() {
        for (i, values) in values.iter().enumerate() {
            executor.parameter_mut(i).copy_from_slice(values);
        }
        executor.forward(&batch.images, batch.len(), Mode::Train).unwrap();
        let logits: Vec<&[f32]> = LOGITS.map(|k| executor.output(k)).collect();
        let right = correct(&logits, batch);
        let mut gradients = vec![Vec::new(); EXPERTS];
        let targets = batch.targets();
        let losses =
            logit_adjusted_cross_entropy(&pool, &logits, CLASSES, &loss(), &targets, &mut gradients).unwrap();
        let mut seeds = vec![None; EXPERTS];
        seeds.extend(gradients.iter().map(|gradient| Some(gradient.as_slice())));
        executor.backward(&seeds).unwrap();
        outcomes.push([losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / EXPERTS as f64, right]);
        let Sgd { learning_rate, momentum, weight_decay, nesterov } = sgd(step);
        for i in (0..values.len()).filter(|&i| !frozen[i]) {
            let state = values[i].iter_mut().zip(&mut velocities[i]).zip(executor.gradient(i));
            for ((value, velocity), &gradient) in state {
                let gradient = f64::from(gradient) + weight_decay * f64::from(*value);
                let v = momentum * f64::from(*velocity) + gradient;
                let change = if nesterov { gradient + momentum * v } else { v };
                (*velocity, *value) = (v as f32, (f64::from(*value) - learning_rate * change) as f32);
            }
        }
    }
    After {
        outcomes,
        gradients: all(values.len(), |i| executor.gradient(i).to_vec()),
        buffers: all(net.buffers().len(), |i| executor.buffer(i).to_vec()),
        parameters: values,
        velocities,
    }
}

/// Sum over the batch of the weights of the classes that the mean logits predict.
fn correct(logits: &[&[f32]], batch: &Batch) -> f64 {
    let prediction = |row: usize| {
        let sum = |class: usize| logits.iter().map(|expert| expert[row * CLASSES + class]).sum::<f32>();
        (0..CLASSES).fold(0, |best, class| if sum(class) > sum(best) { class } else { best }) as u32
    };
    (0..batch.len())
        .map(|row| {
            let lambda = f64::from(batch.lambda[row]);
            let hit = |label: u32| f64::from(u8::from(label == prediction(row)));
            lambda * hit(batch.first[row]) + (1.0 - lambda) * hit(batch.second[row])
        })
        .sum()
}

/// Replicas that are ready for steps.
pub(crate) fn ready(net: &Net, group: BatchNormGroup, gpus: &[EmulatedGpu]) -> CudaReplicas {
    let mut executor = replicas(net, 16, group, gpus, &parameters(net, &mut Random::new(7)));
    executor.set_loss(&loss(), LOGITS).unwrap();
    executor
}

fn step(executor: &mut CudaReplicas, batch: &Batch, number: usize) -> Result<[f64; 2], EngineError> {
    let frozen = frozen(executor.net());
    let images = StepImages::Normalised(&batch.images);
    let outcome = executor.train_step(&images, &batch.targets(), &sgd(number), &frozen)?;
    Ok([outcome.loss, outcome.correct])
}

pub(crate) fn after(executor: &CudaReplicas, outcomes: Vec<[f64; 2]>) -> After {
    let net = executor.net();
    let parameters = net.parameters().len();
    After {
        outcomes,
        gradients: all(parameters, |i| executor.gradient(i).unwrap()),
        parameters: all(parameters, |i| executor.parameter(i).unwrap()),
        velocities: all(parameters, |i| executor.velocity(i).unwrap()),
        buffers: all(net.buffers().len(), |i| executor.buffer(i).unwrap()),
    }
}

fn on_devices(net: &Net, batches: &[Batch], norm: BatchNormGroup, gpus: &[EmulatedGpu]) -> After {
    let mut executor = ready(net, norm, gpus);
    let outcomes =
        batches.iter().enumerate().map(|(i, batch)| step(&mut executor, batch, i).unwrap()).collect();
    after(&executor, outcomes)
}

#[test]
fn one_two_and_four_devices_take_the_steps_of_the_processor() {
    let net = network();
    // The last batch of an epoch is smaller and odd; the last one here has fewer images than devices.
    let batches = batches(&net, &[16, 11, 16, 3]);
    for norm in [BatchNormGroup::All, BatchNormGroup::Images(3), BatchNormGroup::Images(4)] {
        let expected = on_processor(&net, &batches, norm);
        for devices in [1, 2, 4] {
            let Some(gpus) = group(devices, Storage::F32) else { return };
            let found = on_devices(&net, &batches, norm, &gpus);
            found.assert_like(&expected, &format!("{devices} devices, {norm:?}"));
            // The stem is frozen.
            assert_eq!(found.parameters[0], parameters(&net, &mut Random::new(7))[0]);
            for gpu in &gpus {
                assert_eq!(gpu.allocated(), 0, "what was allocated is released");
            }
        }
    }
}

#[test]
fn a_loss_that_is_not_finite_updates_nothing() {
    let net = network();
    let mut batches = batches(&net, &[8, 8, 8]);
    batches[1].images[5] = f32::NAN;
    for devices in [1, 2] {
        let Some(gpus) = group(devices, Storage::F32) else { return };
        let mut executor = ready(&net, BatchNormGroup::All, &gpus);
        let good = step(&mut executor, &batches[0], 0).unwrap();
        assert!(good[0].is_finite());
        let before = after(&executor, Vec::new());
        assert!(!step(&mut executor, &batches[1], 1).unwrap()[0].is_finite());
        let unchanged = after(&executor, Vec::new());
        assert!(unchanged.parameters == before.parameters, "{devices} devices: parameters changed");
        assert!(unchanged.velocities == before.velocities, "{devices} devices: velocities changed");
        assert!(step(&mut executor, &batches[2], 2).unwrap()[0].is_finite());
        assert!(after(&executor, Vec::new()).parameters != before.parameters);
    }
}

#[test]
fn outcomes_may_be_waited_for_later() {
    let net = network();
    let batches = batches(&net, &[8, 5, 8]);
    for devices in [1, 2] {
        let Some(gpus) = group(devices, Storage::F32) else { return };
        let expected = on_devices(&net, &batches, BatchNormGroup::All, &gpus);
        let mut executor = ready(&net, BatchNormGroup::All, &gpus);
        let mut outcomes = Vec::new();
        for (i, batch) in batches.iter().enumerate() {
            begin(&mut executor, batch, i);
            if i > 0 {
                outcomes.push(finish(&mut executor));
            }
        }
        outcomes.push(finish(&mut executor));
        assert_eq!(executor.finish_step(), Ok(None));
        assert!(after(&executor, outcomes) == expected, "{devices} devices");
    }
}

#[test]
fn steps_that_were_begun_behind_a_loss_that_is_not_finite_update_nothing() {
    let net = network();
    let mut batches = batches(&net, &[8, 8, 8]);
    batches[1].images[5] = f32::NAN;
    for devices in [1, 2] {
        let Some(gpus) = group(devices, Storage::F32) else { return };
        let mut executor = ready(&net, BatchNormGroup::All, &gpus);
        begin(&mut executor, &batches[0], 0);
        assert!(finish(&mut executor)[0].is_finite());
        let before = after(&executor, Vec::new());
        begin(&mut executor, &batches[1], 1);
        begin(&mut executor, &batches[2], 2);
        assert!(!finish(&mut executor)[0].is_finite());
        assert!(!finish(&mut executor)[0].is_finite(), "it was begun before anybody knew");
        let unchanged = after(&executor, Vec::new());
        assert!(unchanged.parameters == before.parameters && unchanged.velocities == before.velocities);
        begin(&mut executor, &batches[2], 2);
        assert!(finish(&mut executor)[0].is_finite());
        assert!(after(&executor, Vec::new()).parameters != before.parameters);
    }
}

fn begin(executor: &mut CudaReplicas, batch: &Batch, number: usize) {
    let (images, frozen) = (StepImages::Normalised(&batch.images), frozen(executor.net()));
    executor.begin_step(&images, &batch.targets(), &sgd(number), &frozen).unwrap();
}

fn finish(executor: &mut CudaReplicas) -> [f64; 2] {
    let outcome = executor.finish_step().unwrap().expect("a step was begun");
    [outcome.loss, outcome.correct]
}

#[test]
fn what_does_not_fit_is_refused_before_anything_runs() {
    let net = network();
    let Some(gpus) = group(2, Storage::F32) else { return };
    let mut executor = replicas(&net, 16, BatchNormGroup::All, &gpus, &parameters(&net, &mut Random::new(7)));
    let batch = || batches(&net, &[6]).remove(0);
    assert_eq!(step(&mut executor, &batch(), 0), Err(EngineError::NoLoss));
    let mut wrong = loss();
    wrong.adjustments.pop();
    assert!(executor.set_loss(&wrong, LOGITS).is_err());
    assert_eq!(step(&mut executor, &batch(), 0), Err(EngineError::NoLoss), "a loss that was refused is none");
    executor.set_loss(&loss(), LOGITS).unwrap();
    let before = after(&executor, Vec::new());

    let mut wrong = batch();
    wrong.first[4] = 10;
    assert_eq!(
        step(&mut executor, &wrong, 0),
        Err(EngineError::Label { row: 4, label: 10, classes: CLASSES })
    );
    let mut wrong = batch();
    wrong.lambda.pop();
    assert!(matches!(step(&mut executor, &wrong, 0), Err(EngineError::Length { found: 5, expected: 6, .. })));
    let mut wrong = batch();
    wrong.images.pop();
    assert!(matches!(step(&mut executor, &wrong, 0), Err(EngineError::Length { .. })));
    let large = batches(&net, &[17]).remove(0);
    assert_eq!(step(&mut executor, &large, 0), Err(EngineError::Batch { found: 17, max_batch: 16 }));
    let right = batch();
    let images = StepImages::Normalised(&right.images);
    let few = executor.train_step(&images, &right.targets(), &sgd(0), &[false]);
    assert!(matches!(few, Err(EngineError::Length { found: 1, .. })));

    let unchanged = after(&executor, Vec::new());
    assert!(unchanged.parameters == before.parameters && unchanged.buffers == before.buffers);
}

#[test]
fn too_little_memory_is_an_error_and_nothing_is_left_of_it() {
    let net = network();
    let Some(gpus) = group(2, Storage::F32) else { return };
    let mut executor = ready(&net, BatchNormGroup::All, &gpus);
    // The second device has what it holds now, and no room for feature maps.
    gpus[1].resize(gpus[1].allocated());
    let batch = batches(&net, &[16]).remove(0);
    for _ in 0..2 {
        let error = step(&mut executor, &batch, 0).unwrap_err();
        assert!(matches!(error, EngineError::Device(Fault::Memory { free: 0, .. })), "{error}");
    }
    // What it needs may come free.
    gpus[1].resize(usize::MAX);
    assert!(step(&mut executor, &batch, 0).unwrap()[0].is_finite());
    drop(executor);
    assert!(gpus.iter().all(|gpu| gpu.allocated() == 0));
}

#[test]
fn batches_of_every_size_share_one_memory() {
    let net = network();
    let Some(gpus) = group(1, Storage::F32) else { return };
    let mut executor = ready(&net, BatchNormGroup::All, &gpus);
    let lens = [16, 2, 15, 7, 1, 16, 2];
    let batches = batches(&net, &lens);
    step(&mut executor, &batches[0], 0).unwrap();
    let taken = gpus[0].allocated();
    assert!(taken >= executor.bytes());
    let outputs = |executor: &mut CudaReplicas| -> Vec<Vec<f32>> {
        let evaluate = |batch: &Batch| {
            executor.forward(&batch.images, batch.len(), Mode::Evaluate).unwrap();
            executor.output(LOGITS.start).to_vec()
        };
        batches.iter().map(evaluate).collect()
    };
    let first = outputs(&mut executor);
    assert_eq!(gpus[0].allocated(), taken, "other sizes take no memory");
    assert!(first == outputs(&mut executor), "what ran before leaves no trace");
    for (len, output) in lens.iter().zip(&first) {
        assert_eq!(output.len(), len * CLASSES);
        assert!(output.iter().all(|value| value.is_finite()));
    }
}
