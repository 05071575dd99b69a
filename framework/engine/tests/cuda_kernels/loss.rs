//! The loss against the processor's.

use crate::machine::{arguments, assert_close, on_every_machine, random};
use balpoe_engine::{SoftTargets, ThreadPool, logit_adjusted_cross_entropy};
use balpoe_net::LogitAdjustedCrossEntropy;

#[test]
fn losses_and_gradients_are_those_of_the_processor() {
    let pool = ThreadPool::new(1).unwrap();
    on_every_machine(|run| {
        for (experts, rows, classes, smoothing) in [(1, 3, 6, 0.0f32), (3, 4, 100, 0.1), (2, 2, 8142, 0.0)] {
            let scaled =
                |seed, len, scale: f32| -> Vec<f32> { random(seed, len).iter().map(|v| v * scale).collect() };
            let logits = scaled(1, experts * rows * classes, 30.0);
            let mut adjustments = scaled(2, experts * classes, 5.0);
            if rows == 3 {
                // The last class has no images.
                adjustments[classes - 1] = f32::NEG_INFINITY;
            }
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
                    run.plain(&[smoothing]),
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

#[test]
fn predictions_of_the_mean_logits_are_counted_and_losses_added_up() {
    on_every_machine(|run| {
        let (experts, rows, classes) = (3, 5, 300);
        let mut logits = random(4, experts * rows * classes);
        // Two equal largest values: the first counts. And a row of nothing but what is no number: class 0 counts.
        for expert in 0..experts {
            let row = |row: usize| (expert * rows + row) * classes;
            logits[row(1) + 40] = 7.0;
            logits[row(1) + 220] = 7.0;
            logits[row(2)..row(3)].fill(f32::NAN);
        }
        let sum = |row: usize, class: usize| -> f32 {
            (0..experts).map(|expert| logits[(expert * rows + row) * classes + class]).sum()
        };
        let best = |row: usize| {
            (0..classes).fold(0, |best, class| if sum(row, class) > sum(row, best) { class } else { best })
        };
        let predictions: Vec<i32> = (0..rows).map(|row| best(row) as i32).collect();
        assert_eq!(predictions[1..3], [40, 0]);
        let first = [predictions[0], predictions[1], 3, predictions[3], predictions[4]];
        let second =
            [predictions[0], 1, predictions[2], (predictions[3] + 1) % classes as i32, predictions[4]];
        let lambda = [0.25f32, 0.75, 0.5, 1.0, 0.125];
        let (correct, outcome) = (run.room(rows), run.plain(&[0f64; 2]));
        let device_lambda = run.plain(&lambda);
        run.launch(
            "mixed_correct",
            [rows as u32, 1, 1],
            [64, 1, 1],
            arguments![
                run.plain(&logits),
                run.plain(&first),
                run.plain(&second),
                device_lambda,
                correct,
                experts as i32,
                rows as i32,
                classes as i32,
            ],
        );
        assert_eq!(run.read(correct), [1.0, 0.75, 0.5, 1.0, 1.0]);
        let losses = random(5, experts * rows);
        let losses_of = run.plain(&losses);
        let numbers = [experts as i32, rows as i32];
        run.launch(
            "step_outcome",
            [1, 1, 1],
            [256, 1, 1],
            arguments![losses_of, correct, outcome, numbers[0], numbers[1], 0.5f64],
        );
        let total: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
        let [loss, right] = run.read_doubles(outcome)[..] else { unreachable!() };
        assert!((loss - 0.5 * total).abs() < 1e-12 && right == 4.25, "{loss} {right}");
    });
}

#[test]
fn a_loss_that_is_no_number_stays() {
    on_every_machine(|run| {
        let outcome = run.plain(&[f64::INFINITY, 3.0]);
        let arguments = arguments![run.plain(&[1f32, 2.0]), run.plain(&[1f32]), outcome, 2, 1, 0.5f64];
        run.launch("step_outcome", [1, 1, 1], [256, 1, 1], arguments);
        assert_eq!(run.read_doubles(outcome), [f64::INFINITY, 1.0]);
    });
}
