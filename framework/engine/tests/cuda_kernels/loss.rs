//! The loss against the processor's.

use crate::machine::{arguments, assert_close, on_every_machine, random};
use balpoe_engine::{SoftTargets, ThreadPool, logit_adjusted_cross_entropy};
use balpoe_net::LogitAdjustedCrossEntropy;

#[test]
fn losses_and_gradients_are_those_of_the_processor() {
    let pool = ThreadPool::new(1).unwrap();
    on_every_machine(|run| {
        for (experts, rows, classes, smoothing) in [(1, 3, 5, 0.0f32), (3, 4, 100, 0.1), (2, 2, 8142, 0.0)] {
            let scaled =
                |seed, len, scale: f32| -> Vec<f32> { random(seed, len).iter().map(|v| v * scale).collect() };
            let logits = scaled(1, experts * rows * classes, 30.0);
            let adjustments = scaled(2, experts * classes, 5.0);
            let label = |i: usize, step: usize| (i * step % classes) as u32;
            let first: Vec<u32> = (0..rows).map(|i| label(i, 7)).collect();
            let second: Vec<u32> = (0..rows).map(|i| label(i, 3)).collect();
            let lambda: Vec<f32> = random(3, rows).iter().map(|v| 0.5 + 0.5 * v).collect();

            let parts: Vec<&[f32]> = logits.chunks_exact(rows * classes).collect();
            let loss = LogitAdjustedCrossEntropy {
                adjustments: adjustments.chunks_exact(classes).map(<[f32]>::to_vec).collect(),
            };
            let targets = SoftTargets { first: &first, second: &second, lambda: &lambda, smoothing };
            let mut gradients = vec![Vec::new(); experts];
            let means = logit_adjusted_cross_entropy(&pool, &parts, classes, &loss, &targets, &mut gradients)
                .unwrap();

            let labels =
                |labels: &[u32]| run.plain(&labels.iter().map(|&label| label as i32).collect::<Vec<_>>());
            let (gradient, losses) = (run.room(logits.len()), run.room(experts * rows));
            let weight = 1.0 / (experts * rows) as f32;
            run.launch(
                "logit_adjusted_cross_entropy",
                [rows as u32, experts as u32, 1],
                [64, 1, 1],
                arguments![
                    run.plain(&logits),
                    run.plain(&adjustments),
                    labels(&first),
                    labels(&second),
                    run.plain(&lambda),
                    smoothing,
                    weight,
                    gradient,
                    losses,
                    rows as i32,
                    classes as i32,
                ],
            );
            let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
            assert_close("gradient", &run.read(gradient), &wide(&gradients.concat()), 2e-6);
            let found: Vec<f32> = run
                .read(losses)
                .chunks_exact(rows)
                .map(|losses| losses.iter().sum::<f32>() / rows as f32)
                .collect();
            assert_close("loss", &found, &wide(&means), 1e-6);
        }
    });
}
