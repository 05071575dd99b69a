//! The oracle against finite differences, in `f64`.

mod common;

use balpoe_engine::oracle::{Oracle, logit_adjusted_cross_entropy};
use balpoe_net::Shape;
use common::{Random, parameters, random_net, resnet};

fn doubles(random: &mut Random, len: usize) -> Vec<f64> {
    random.values(len).into_iter().map(f64::from).collect()
}

/// Compares the gradient in a random direction over all parameters and images with a central difference.
fn check_directional_derivative(
    net: &balpoe_net::Net,
    batch: usize,
    group: Option<usize>,
    random: &mut Random,
) {
    let mut oracle = Oracle::<f64>::new(net, &parameters(net, random));
    oracle.group = group;
    let images = doubles(random, batch * net.input_shape().len());
    oracle.forward(&images, true);
    let seeds: Vec<Vec<f64>> =
        (0..net.outputs().len()).map(|k| doubles(random, oracle.output(k).len())).collect();
    let given: Vec<Option<&[f64]>> = seeds.iter().map(|seed| Some(&seed[..])).collect();
    let (gradients, image_gradient) = oracle.backward(&given);

    let directions: Vec<Vec<f64>> =
        gradients.iter().map(|gradient| doubles(random, gradient.len())).collect();
    let image_direction = doubles(random, images.len());
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut expected = dot(&image_gradient, &image_direction);
    for (gradient, direction) in gradients.iter().zip(&directions) {
        expected += dot(gradient, direction);
    }
    let moved = |x: &[f64], direction: &[f64], by: f64| -> Vec<f64> {
        x.iter().zip(direction).map(|(x, direction)| x + by * direction).collect()
    };
    let loss_at = |by: f64| {
        let mut other = oracle.clone();
        for (parameter, direction) in other.parameters.iter_mut().zip(&directions) {
            *parameter = moved(parameter, direction, by);
        }
        other.forward(&moved(&images, &image_direction, by), true);
        (0..seeds.len()).map(|k| dot(other.output(k), &seeds[k])).sum::<f64>()
    };
    let step = 1e-6;
    let found = (loss_at(step) - loss_at(-step)) / (2.0 * step);
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(error < 1e-5, "derivative {expected}, difference quotient {found}\n{net}");
}

#[test]
fn gradients_of_random_networks_are_difference_quotients() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let shape = Shape::new(2 + random.below(5), 2 + random.below(5), 1 + random.below(4));
        let net = random_net(shape, 1 + seed as usize % 12, &mut random).unwrap();
        check_directional_derivative(&net, 3, None, &mut random);
    }
}

#[test]
fn gradients_of_a_resnet_are_difference_quotients() {
    let net = resnet(Shape::new(8, 8, 3), [4, 6, 8], 1, 2, 5).unwrap();
    for group in [None, Some(2)] {
        check_directional_derivative(&net, 5, group, &mut Random::new(7));
    }
}

#[test]
fn gradient_of_the_loss_is_a_difference_quotient() {
    let (experts, batch, classes) = (3, 4, 6);
    let mut random = Random::new(8);
    let mut logits: Vec<Vec<f64>> = (0..experts).map(|_| doubles(&mut random, batch * classes)).collect();
    let adjustments: Vec<Vec<f64>> = (0..experts).map(|_| doubles(&mut random, classes)).collect();
    let mut targets: Vec<f64> =
        doubles(&mut random, batch * classes).iter().map(|value| value + 1.0).collect();
    for row in targets.chunks_exact_mut(classes) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= sum);
    }
    let mean = |logits: &[Vec<f64>]| {
        logit_adjusted_cross_entropy(logits, &adjustments, &targets).0.iter().sum::<f64>() / experts as f64
    };
    let (_, gradients) = logit_adjusted_cross_entropy(&logits, &adjustments, &targets);
    for expert in 0..experts {
        for place in [0, 7, 23] {
            let (step, value) = (1e-5, logits[expert][place]);
            logits[expert][place] = value + step;
            let above = mean(&logits);
            logits[expert][place] = value - step;
            let below = mean(&logits);
            logits[expert][place] = value;
            assert!((gradients[expert][place] - (above - below) / (2.0 * step)).abs() < 1e-9);
        }
    }
}
