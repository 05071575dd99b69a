//! The networks that `balpoe bench` measures, each with the images, classes and loss that it is published with.

use balpoe_core::config::{Override, Sources};
use balpoe_core::experiment::Experiment;

use crate::arguments::BenchNetwork;
use crate::diagnostics::Failure;

/// What the networks have in common. Batch norms take their statistics from the whole batch; the data set is never opened.
const STEP: &str = r#"
dataset = { kind = "cifar100" }
head = { kind = "cosine", scale = 30.0 }
optimizer = { kind = "sgd" }
schedule = { kind = "constant" }
train = { epochs = 1 }
"#;

impl BenchNetwork {
    /// The published network and loss.
    fn method(self) -> &'static str {
        match self {
            Self::Resnet32 => {
                r#"
                backbone = { kind = "resnet32" }
                objective = { kind = "balanced-experts", tau = { limits = [0.0, 2.0] } }
                mixing = [{ kind = "mixup", alpha = 0.4 }]
                "#
            }
            Self::Resnet50 => {
                r#"
                backbone = { kind = "resnet50" }
                objective = { kind = "balanced-experts", tau = { limits = [0.0, 2.5] } }
                mixing = [{ kind = "mixup", alpha = 0.3 }]
                "#
            }
        }
    }

    /// Height and width of the images.
    pub(super) fn size(self) -> (usize, usize) {
        match self {
            Self::Resnet32 => (32, 32),
            Self::Resnet50 => (224, 224),
        }
    }

    /// Whether its data sets are held in memory.
    pub(super) fn is_resident(self) -> bool {
        match self {
            Self::Resnet32 => true,
            Self::Resnet50 => false,
        }
    }

    /// Images in a batch, as published.
    pub(super) fn batch(self) -> usize {
        match self {
            Self::Resnet32 => 128,
            Self::Resnet50 => 64,
        }
    }

    /// Training images of each class: those of CIFAR-100-LT at imbalance ratio 100, and as many classes as `ImageNet-LT` has,
    /// from its largest, 1280, to its smallest, 5.
    pub(super) fn class_counts(self) -> Vec<usize> {
        let (classes, largest, ratio) = match self {
            Self::Resnet32 => (100, 500.0, 100.0_f64),
            Self::Resnet50 => (1000, 1280.0, 256.0),
        };
        let share = |class: u32| ratio.powf(-f64::from(class) / f64::from(classes - 1));
        (0..classes).map(|class| (largest * share(class)) as usize).collect()
    }

    /// The network with so many experts and images in a batch, and other changes.
    pub(super) fn experiment(
        self,
        experts: usize,
        batch: usize,
        mut overrides: Vec<Override>,
        sources: &mut Sources,
    ) -> Result<Experiment, Failure> {
        let text = [STEP, self.method()].concat();
        overrides.push(Override::Set(format!("backbone.experts={experts}")));
        overrides.push(Override::Set(format!("train.batch_size={batch}")));
        Experiment::parse("bench", &text, &overrides, sources).map_err(|error| Failure::with(error, sources))
    }
}
