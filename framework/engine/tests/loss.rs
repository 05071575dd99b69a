//! The fused loss against the oracle in `f64`.

mod common;

use balpoe_engine::{EngineError, SoftTargets, ThreadPool, logit_adjusted_cross_entropy, oracle};
use balpoe_net::LogitAdjustedCrossEntropy;
use common::{Random, relative_error};

struct Batch {
    classes: usize,
    logits: Vec<Vec<f32>>,
    loss: LogitAdjustedCrossEntropy,
    first: Vec<u32>,
    second: Vec<u32>,
    lambda: Vec<f32>,
    smoothing: f32,
}

impl Batch {
    fn new(experts: usize, batch: usize, classes: usize, smoothing: f32, random: &mut Random) -> Self {
        // Logits as large as a cosine head of scale 30 makes them, priors down to 1e-4.
        let logits = (0..experts).map(|_| random.values(batch * classes).iter().map(|x| 30.0 * x).collect());
        let logits = logits.collect();
        let adjustments =
            (0..experts).map(|_| random.values(classes).iter().map(|x| 9.0 * x).collect()).collect();
        let mut labels = || (0..batch).map(|_| random.below(classes) as u32).collect();
        let (first, second) = (labels(), labels());
        let lambda = random.values(batch).iter().map(|x| 0.5 + 0.5 * x).collect();
        let loss = LogitAdjustedCrossEntropy { adjustments };
        Self { classes, logits, loss, first, second, lambda, smoothing }
    }

    fn run(&self, threads: usize) -> Result<(Vec<f32>, Vec<Vec<f32>>), EngineError> {
        let pool = ThreadPool::new(threads)?;
        let (first, second, lambda) = (&self.first[..], &self.second[..], &self.lambda[..]);
        let targets = SoftTargets { first, second, lambda, smoothing: self.smoothing };
        let logits: Vec<&[f32]> = self.logits.iter().map(Vec::as_slice).collect();
        let mut gradients = vec![Vec::new(); logits.len()];
        let losses =
            logit_adjusted_cross_entropy(&pool, &logits, self.classes, &self.loss, &targets, &mut gradients)?;
        Ok((losses, gradients))
    }

    /// Target probabilities, `[batch, classes]`.
    fn dense_targets(&self) -> Vec<f64> {
        let mut targets =
            vec![f64::from(self.smoothing) / self.classes as f64; self.first.len() * self.classes];
        for (row, target) in targets.chunks_exact_mut(self.classes).enumerate() {
            let (kept, lambda) = (1.0 - f64::from(self.smoothing), f64::from(self.lambda[row]));
            target[self.first[row] as usize] += kept * lambda;
            target[self.second[row] as usize] += kept * (1.0 - lambda);
        }
        targets
    }
}

fn doubles(values: &[Vec<f32>]) -> Vec<Vec<f64>> {
    values.iter().map(|values| values.iter().map(|&value| f64::from(value)).collect()).collect()
}

#[test]
fn losses_and_gradients_agree_with_the_oracle_for_any_number_of_threads() {
    let mut random = Random::new(1);
    for (experts, rows, classes) in [(1, 1, 2), (3, 37, 10), (2, 16, 100), (3, 5, 1003), (1, 4, 16)] {
        for smoothing in [0.0, 0.1] {
            let batch = Batch::new(experts, rows, classes, smoothing, &mut random);
            let (losses, gradients) = batch.run(1).unwrap();
            let (expected_losses, expected_gradients) = oracle::logit_adjusted_cross_entropy(
                &doubles(&batch.logits),
                &doubles(&batch.loss.adjustments),
                &batch.dense_targets(),
            );
            assert!(relative_error(&losses, &expected_losses, 1.0) < 1e-6);
            for (gradient, expected) in gradients.iter().zip(&expected_gradients) {
                assert!(relative_error(gradient, expected, 1e-6) < 2e-6);
            }
            assert_eq!(batch.run(4).unwrap(), (losses, gradients));
        }
    }
}

#[test]
fn a_row_that_is_not_a_number_makes_the_loss_not_a_number() {
    let mut batch = Batch::new(2, 20, 10, 0.0, &mut Random::new(2));
    batch.logits[1][57] = f32::NAN;
    let (losses, gradients) = batch.run(2).unwrap();
    assert!(losses[0].is_finite() && losses[1].is_nan());
    assert!(gradients[0].iter().all(|value| value.is_finite()));
    let row = 5 * 10..6 * 10;
    assert!(gradients[1][row].iter().all(|value| value.is_nan()));
}

#[test]
fn a_class_without_images_may_have_a_log_prior_of_minus_infinity() {
    let mut batch = Batch::new(1, 4, 10, 0.0, &mut Random::new(3));
    batch.loss.adjustments[0][9] = f32::NEG_INFINITY;
    batch.first = vec![0, 1, 2, 3];
    batch.second = vec![4, 5, 6, 7];
    let (losses, gradients) = batch.run(1).unwrap();
    assert!(losses[0].is_finite());
    assert!(gradients[0].chunks_exact(10).all(|row| row[9] == 0.0));
}

#[test]
fn wrong_arguments_are_refused_in_plain_words() {
    let batch = || Batch::new(2, 3, 5, 0.0, &mut Random::new(4));
    let mut wrong = batch();
    wrong.second[1] = 5;
    assert_eq!(wrong.run(1), Err(EngineError::Label { row: 1, label: 5, classes: 5 }));
    let mut wrong = batch();
    wrong.lambda.pop();
    assert!(wrong.run(1).unwrap_err().to_string().contains("targets.lambda has 2 values; it must have 3"));
    let mut wrong = batch();
    wrong.logits[1].pop();
    assert!(
        wrong.run(1).unwrap_err().to_string().contains("logits of expert 1 has 14 values; it must have 15")
    );
    let mut wrong = batch();
    wrong.loss.adjustments[0].push(0.0);
    assert!(wrong.run(1).unwrap_err().to_string().contains("adjustments of expert 0"));
    wrong.loss.adjustments.pop();
    assert!(wrong.run(1).unwrap_err().to_string().contains("one for each expert"));
}
