//! What is kept of the predictions on every test image: enough for plots and for tests over images, in 12 bytes an image and three
//! experts.

use std::path::Path;

use balpoe_stats::calibration::{Outcome, Outcomes};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::LabError;
use crate::figures::failed;

/// Steps of a share between 0 and 1.
const STEPS: f64 = 65_535.0;

/// Predicted classes, confidences and entropies, image by image of the whole test set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ImageOutcomes {
    /// The class that the ensemble predicts.
    predictions: Vec<u16>,
    /// The ensemble's confidence in [`STEPS`], rounded up: bins are open below and closed above, and 65,535 is a multiple of 15, so
    /// that no prediction changes its bin when there are 15 of them.
    confidences: Vec<u16>,
    /// Entropy of the ensemble's prediction as a share of the largest possible, the logarithm of the number of classes.
    entropies: Vec<u16>,
    /// The class that each expert predicts.
    experts: Vec<Vec<u16>>,
}

impl ImageOutcomes {
    /// Reduces outcomes; `None` where there are too many classes for 16 bits.
    pub(crate) fn of(ensemble: &Outcomes, experts: &[Outcomes]) -> Option<Self> {
        u16::try_from(ensemble.classes().saturating_sub(1)).ok()?;
        let largest = largest_entropy(ensemble.classes());
        let classes = |outcomes: &Outcomes| outcomes.rows().iter().map(|row| row.prediction as u16).collect();
        let confidence = |row: &Outcome| (row.confidence * STEPS).ceil() as u16;
        let entropy = |row: &Outcome| (row.entropy / largest * STEPS).round() as u16;
        Some(Self {
            predictions: classes(ensemble),
            confidences: ensemble.rows().iter().map(confidence).collect(),
            entropies: ensemble.rows().iter().map(entropy).collect(),
            experts: experts.iter().map(classes).collect(),
        })
    }

    /// The number of images.
    pub(crate) fn len(&self) -> usize {
        self.predictions.len()
    }

    /// The ensemble's outcomes; log losses and Brier scores are not kept. `labels` are those of the test images.
    ///
    /// # Errors
    /// If there are more or fewer labels, or one is no class.
    pub(crate) fn ensemble(&self, labels: &[u32], classes: usize) -> Result<Outcomes, LabError> {
        if labels.len() != self.len() {
            let message = format!("expected outcomes of {} test images, found {}", labels.len(), self.len());
            return Err(LabError::Component { component: "evaluation".to_owned(), message });
        }
        let largest = largest_entropy(classes);
        let row = |image: usize| Outcome {
            label: labels[image],
            prediction: u32::from(self.predictions[image]),
            confidence: f64::from(self.confidences[image]) / STEPS,
            log_loss: f64::NAN,
            brier: f64::NAN,
            entropy: f64::from(self.entropies[image]) / STEPS * largest,
        };
        Outcomes::kept(classes, (0..labels.len()).map(row).collect()).map_err(failed)
    }

    /// The bytes of a safetensors file.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, LabError> {
        let bytes = |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let mut columns = vec![
            ("ensemble.prediction".to_owned(), bytes(&self.predictions)),
            ("ensemble.confidence".to_owned(), bytes(&self.confidences)),
            ("ensemble.entropy".to_owned(), bytes(&self.entropies)),
        ];
        let experts = self.experts.iter().enumerate();
        columns.extend(experts.map(|(e, classes)| (format!("expert{e}.prediction"), bytes(classes))));
        let wrong = |error: safetensors::SafeTensorError| {
            LabError::damaged(Path::new("outcomes of images"), error.to_string())
        };
        let mut views = Vec::new();
        for (name, bytes) in &columns {
            views.push((name, TensorView::new(Dtype::U16, vec![self.len()], bytes).map_err(wrong)?));
        }
        safetensors::serialize(views, None).map_err(wrong)
    }

    /// Reads what [`Self::encode`] wrote; `path` is for messages.
    ///
    /// # Errors
    /// If it is no such file, or its columns differ in length.
    pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Self, LabError> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| LabError::damaged(path, format!("not a whole safetensors file: {error}")))?;
        let column = |name: &str| -> Result<Vec<u16>, LabError> {
            let view = file.tensor(name);
            let view =
                view.map_err(|_| LabError::damaged(path, format!("expected a tensor `{name}`, found none")))?;
            if view.dtype() != Dtype::U16 {
                let message = format!("tensor `{name}` is {:?}, expected U16", view.dtype());
                return Err(LabError::damaged(path, message));
            }
            Ok(view.data().as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect())
        };
        let mut experts = Vec::new();
        while file.tensor(&format!("expert{}.prediction", experts.len())).is_ok() {
            experts.push(column(&format!("expert{}.prediction", experts.len()))?);
        }
        let whole = Self {
            predictions: column("ensemble.prediction")?,
            confidences: column("ensemble.confidence")?,
            entropies: column("ensemble.entropy")?,
            experts,
        };
        let columns = [&whole.confidences, &whole.entropies].into_iter().chain(&whole.experts);
        if let Some(short) = columns.map(Vec::len).find(|&length| length != whole.len()) {
            let message = format!("expected {} images in every tensor, found {short} in one", whole.len());
            return Err(LabError::damaged(path, message));
        }
        Ok(whole)
    }
}

/// Entropy of the uniform distribution in nats; never zero, to divide by.
fn largest_entropy(classes: usize) -> f64 {
    (classes.max(2) as f64).ln()
}

#[cfg(test)]
mod tests {
    use balpoe_stats::calibration::{Binning, Predictions};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_file_gives_back_what_plots_need(logits in prop::collection::vec(-30_f32..30.0, 4..400)) {
            let classes = 4;
            let rows = logits.len() / classes;
            let labels: Vec<u32> = (0..rows as u32).map(|row| row % 4).collect();
            let scores = Predictions::logits(&logits[..rows * classes], &labels, classes).expect("shapes");
            let exact = Outcomes::of(&scores).expect("finite");
            let kept = ImageOutcomes::of(&exact, &[exact.clone(), exact.clone()]).expect("few classes");
            let path = Path::new("outcomes");
            let read = ImageOutcomes::decode(path, &kept.encode().expect("encoded")).expect("decoded");
            prop_assert_eq!(&read, &kept);

            let again = read.ensemble(&labels, classes).expect("as many labels");
            for (exact, again) in exact.rows().iter().zip(again.rows()) {
                prop_assert_eq!((exact.label, exact.prediction), (again.label, again.prediction));
                prop_assert!((0.0..=1.0 / STEPS).contains(&(again.confidence - exact.confidence)));
                prop_assert!((again.entropy - exact.entropy).abs() <= largest_entropy(classes) / STEPS);
            }
            let binning = Binning::equal_width(15).expect("bins");
            let counts = |outcomes: &Outcomes| -> Vec<_> {
                outcomes.all().reliability(binning).bins().iter().map(|bin| bin.weight).collect()
            };
            prop_assert_eq!(counts(&exact), counts(&again), "no image changes its bin");
        }
    }

    #[test]
    fn other_test_sets_and_other_files_are_refused() {
        let scores = Predictions::logits(&[1.0, 0.0, 0.0, 1.0], &[0, 1], 2).expect("shapes");
        let outcomes = Outcomes::of(&scores).expect("finite");
        let kept = ImageOutcomes::of(&outcomes, &[]).expect("few classes");
        let wrong = kept.ensemble(&[0, 1, 1], 2).expect_err("three labels for two images");
        assert!(wrong.to_string().contains("expected outcomes of 3 test images, found 2"), "{wrong}");
        let wrong = ImageOutcomes::decode(Path::new("x"), b"nothing").expect_err("no safetensors");
        assert!(wrong.to_string().starts_with("x: not a whole safetensors file"), "{wrong}");
    }
}
