//! Replicas that share a batch against one executor that has it all.

mod common;

use balpoe_engine::{BatchNormGroup, CpuOptions, CpuReplicas, EngineError, Mode};
use balpoe_net::{Net, NetBuilder, Shape};
use common::{Random, parameters, relative_error, resnet};

/// How far a gradient may be from that of one replica, relative to the largest value of its tensor.
const GRADIENTS: f64 = 1e-5;

/// Everything that a training step leaves behind, and outputs of an evaluation after it.
struct Step {
    outputs: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    buffers: Vec<Vec<f32>>,
    evaluated: Vec<Vec<f32>>,
}

fn network() -> Net {
    resnet(Shape::new(13, 12, 3), [16, 20, 32], 1, 2, 10).unwrap()
}

fn replicas(net: &Net, replicas: usize, batch_norm: BatchNormGroup) -> CpuReplicas {
    let options = CpuOptions { threads: replicas.max(2), batch_norm, ..CpuOptions::new(16) };
    let mut executor = CpuReplicas::new(net, &options, replicas).unwrap();
    for (i, values) in parameters(net, &mut Random::new(7)).iter().enumerate() {
        executor.parameter_mut(i).copy_from_slice(values);
    }
    executor
}

/// Steps on batches of these sizes, one after the other, with a small update between them.
fn steps(executor: &mut CpuReplicas, batches: &[usize]) -> Vec<Step> {
    let net = executor.net().clone();
    let mut random = Random::new(8);
    let mut steps = Vec::new();
    for &batch in batches {
        let images = random.values(batch * net.input_shape().len());
        let seeds: Vec<Vec<f32>> = net
            .outputs()
            .iter()
            .map(|output| random.values(batch * net.node(output.node).shape.len()))
            .collect();
        executor.forward(&images, batch, Mode::Train).unwrap();
        let all = |executor: &CpuReplicas| {
            (0..net.outputs().len()).map(|k| executor.output(k).to_vec()).collect::<Vec<_>>()
        };
        let outputs = all(executor);
        let given: Vec<Option<&[f32]>> = seeds.iter().map(|seed| Some(seed.as_slice())).collect();
        executor.backward(&given).unwrap();
        let gradients: Vec<Vec<f32>> =
            (0..net.parameters().len()).map(|i| executor.gradient(i).to_vec()).collect();
        for i in 0..gradients.len() {
            let (parameter, gradient) = executor.parameter_and_gradient(i);
            parameter.iter_mut().zip(gradient).for_each(|(value, gradient)| *value -= 1e-4 * gradient);
        }
        let buffers = (0..net.buffers().len()).map(|i| executor.buffer(i).to_vec()).collect();
        executor.forward(&images, batch, Mode::Evaluate).unwrap();
        steps.push(Step { outputs, gradients, buffers, evaluated: all(executor) });
    }
    steps
}

fn worst(found: &[Vec<f32>], expected: &[Vec<f32>]) -> f64 {
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    let largest = expected.iter().flatten().fold(0f32, |largest, value| largest.max(value.abs()));
    let errors = found.iter().zip(expected);
    errors.fold(0.0, |worst, (found, expected)| {
        worst.max(relative_error(found, &wide(expected), 1e-2 * f64::from(largest)))
    })
}

#[test]
fn two_and_four_replicas_train_as_one() {
    let net = network();
    let groups = [BatchNormGroup::All, BatchNormGroup::Images(3), BatchNormGroup::Images(4)];
    for group in groups {
        // The last batch of an epoch is smaller and odd; the last one here has fewer images than replicas.
        let batches = [16, 11, 3];
        let expected = steps(&mut replicas(&net, 1, group), &batches);
        for number in [2, 4] {
            let found = steps(&mut replicas(&net, number, group), &batches);
            for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let error = worst(&found.gradients, &expected.gradients);
                assert!(error <= GRADIENTS, "{number} replicas, {group:?}, step {step}: {error:e}");
                for (found, expected) in [
                    (&found.outputs, &expected.outputs),
                    (&found.buffers, &expected.buffers),
                    (&found.evaluated, &expected.evaluated),
                ] {
                    let error = worst(found, expected);
                    assert!(error <= GRADIENTS, "{number} replicas, {group:?}, step {step}: {error:e}");
                }
            }
        }
    }
}

#[test]
fn replicas_do_not_depend_on_threads_or_chance() {
    let net = network();
    let run = |threads: usize| {
        let options = CpuOptions { threads, ..CpuOptions::new(16) };
        let mut executor = CpuReplicas::new(&net, &options, 3).unwrap();
        for (i, values) in parameters(&net, &mut Random::new(7)).iter().enumerate() {
            executor.parameter_mut(i).copy_from_slice(values);
        }
        let [first, second] = <[Step; 2]>::try_from(steps(&mut executor, &[16, 13])).ok().unwrap();
        (first.gradients, second.gradients, second.buffers)
    };
    let first = run(1);
    assert!(first == run(7));
}

#[test]
fn failures_are_those_of_one_executor() {
    let mut net = NetBuilder::new(Shape::new(1, 1, 3));
    let x = net.batch_norm(net.input(), "bn", balpoe_net::BatchNorm::new()).unwrap();
    net.output("x", x).unwrap();
    let net = net.finish().unwrap();
    let mut executor = CpuReplicas::new(&net, &CpuOptions::new(8), 2).unwrap();
    let one = executor.forward(&[0.0; 3], 1, Mode::Train);
    assert_eq!(one, Err(EngineError::OneValuePerChannel { name: "bn".into() }));
    let none = executor.forward(&[], 0, Mode::Train);
    assert_eq!(none, Err(EngineError::Batch { found: 0, max_batch: 8 }));
    assert_eq!(executor.backward(&[None]), Err(EngineError::NoForwardPass));
    executor.forward(&[1.0; 24], 8, Mode::Train).unwrap();
    assert!(executor.backward(&[None, None]).is_err());
    executor.backward(&[None]).unwrap();
    assert!(CpuReplicas::new(&net, &CpuOptions::new(8), 0).is_err());
}
