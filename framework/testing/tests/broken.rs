//! The suite finds what is wrong: components that each break one promise, and one that breaks none.

use balpoe_core::components::{
    Aggregation, Aggregator, Augmentation, Batch, Blending, Calibration, Calibrator, ComponentError, HeldOut,
    Image, Knowledge, LossInput, Mixing, MixingStreams, Moving, Objective, Optimizer, Position, Schedule,
    Targets, Trainees, TrainingLoss, Update,
};
use balpoe_core::config::ConfigError;
use balpoe_core::random::Stream;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Matrix, TracedScalar};
use balpoe_net::{Blend, PixelMap, Sgd};
use balpoe_testing::compliance::check_everything;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares a component without settings.
macro_rules! component {
    ($name:ident) => {
        /// A component of this test.
        #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        struct $name {}

        impl Component for $name {}
    };
}

component!(Honest);
component!(Peeking);
component!(Shifting);
component!(Leaking);
component!(Halved);
component!(Hasty);
component!(Drifting);
component!(Diluted);

/// Takes any key.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Careless {
    undocumented: f64,
}

impl Component for Careless {}

impl Schedule for Honest {
    fn factor(&self, _: Position) -> f64 {
        1.0
    }
}

impl Schedule for Careless {
    fn factor(&self, _: Position) -> f64 {
        f64::NAN
    }
}

impl Aggregator for Peeking {
    fn prepare(&self, knowledge: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError> {
        Ok(Box::new(Scaled(1.0 + knowledge.unlabelled.labels[0] as f32)))
    }
}

struct Scaled(f32);

impl Aggregation for Scaled {
    fn apply(&self, experts: &[Matrix]) -> Matrix {
        experts[0].clone() * self.0
    }
}

impl Calibrator for Shifting {
    fn preserves_accuracy(&self) -> bool {
        true
    }

    fn fit(&self, _: &HeldOut, _: &[usize]) -> Result<Box<dyn Calibration>, ComponentError> {
        Ok(Box::new(Self {}))
    }
}

impl Calibration for Shifting {
    fn apply(&self, logits: Matrix) -> Matrix {
        logits.negate()
    }

    fn summary(&self) -> String {
        "negated".to_owned()
    }
}

impl Mixing for Leaking {
    fn mix(&self, batch: &mut Batch, _: &MixingStreams) {
        batch.targets.second.rotate_left(1);
        batch.targets.lambda.fill(1.5);
    }

    fn pairs(&self) -> bool {
        false
    }
}

impl Augmentation for Drifting {
    fn apply(&self, image: Image, stream: &mut Stream) -> Image {
        let left = stream.chance(0.5);
        image.mapped(&PixelMap::shift(if left { -1 } else { 1 }, 0))
    }

    fn moving(&self) -> Option<&dyn Moving> {
        Some(self)
    }
}

impl Moving for Drifting {
    fn map(&self, _: (usize, usize), stream: &mut Stream) -> PixelMap {
        let _ = stream.word();
        PixelMap::shift(if stream.chance(0.5) { -1 } else { 1 }, 0)
    }
}

impl Mixing for Diluted {
    fn mix(&self, batch: &mut Batch, streams: &MixingStreams) {
        self.blend_on_host(batch, streams);
        batch.images[0] *= 0.5;
    }

    fn pairs(&self) -> bool {
        false
    }

    fn blending(&self) -> Option<&dyn Blending> {
        Some(self)
    }
}

impl Blending for Diluted {
    fn blend(&self, _: &mut Targets, _: (usize, usize), _: &MixingStreams) -> Option<Blend> {
        None
    }
}

impl Objective for Halved {
    fn prepare(&self, _: Trainees<'_>) -> Result<Box<dyn TrainingLoss>, ConfigError> {
        Ok(Box::new(Self {}))
    }
}

impl TrainingLoss for Halved {
    fn loss(&self, mut input: LossInput<'_>) -> Result<TracedScalar, ComponentError> {
        let logits = input.experts.remove(0).logits;
        // The other half is a constant to dfdx, and no `stops_gradients` says so.
        let constant = logits.retaped::<NoneTape>().square().mean::<Rank0, _>();
        Ok(logits.square().mean::<Rank0, _>() + constant)
    }
}

impl Optimizer for Hasty {
    fn learning_rate(&self) -> f64 {
        0.1
    }

    fn slots(&self) -> usize {
        1
    }

    fn update(&self, update: Update, parameter: &mut [f32], gradient: &[f32], slots: &mut [Vec<f32>]) {
        for ((p, g), v) in parameter.iter_mut().zip(gradient).zip(&mut slots[0]) {
            *v = 0.5 * *v + g;
            *p -= update.learning_rate as f32 * *v;
        }
    }

    fn lower(&self, update: Update) -> Option<Sgd> {
        let learning_rate = update.learning_rate;
        Some(Sgd { learning_rate, momentum: 0.5, weight_decay: 0.0, nesterov: true })
    }
}

register! {
    Optimizer "hasty" => Hasty,
    summary: "lowers to another update",
    paper: "",
    example: r#"kind = "hasty""#,
}

register! {
    Schedule "honest" => Honest,
    summary: "breaks no promise",
    paper: "",
    example: r#"kind = "honest""#,
}

register! {
    Schedule "careless" => Careless,
    summary: "takes any key",
    paper: "",
    example: r#"kind = "other""#,
}

register! {
    Aggregator "peeking" => Peeking,
    summary: "looks at a label",
    paper: "",
    example: r#"kind = "peeking""#,
}

register! {
    Calibrator "shifting" => Shifting,
    summary: "changes predictions",
    paper: "",
    example: r#"kind = "shifting""#,
}

register! {
    Mixing "leaking" => Leaking,
    summary: "makes targets that are no distributions",
    paper: "",
    example: r#"kind = "leaking""#,
}

register! {
    Augmentation "drifting" => Drifting,
    summary: "has a map of its pixels that draws once too often",
    paper: "",
    example: r#"kind = "drifting""#,
}

register! {
    Mixing "diluted" => Diluted,
    summary: "changes images behind the back of its blend",
    paper: "",
    example: r#"kind = "diluted""#,
}

register! {
    Objective "halved" => Halved,
    summary: "has half of its gradient",
    paper: "",
    example: r#"kind = "halved""#,
}

#[test]
fn every_broken_promise_is_found() {
    let found = check_everything();
    for (component, message) in [
        ("schedule/careless", "example must have `kind = \"careless\"`"),
        ("schedule/careless", "`undocumented` has no doc comment"),
        ("schedule/careless", "unknown key is not refused"),
        ("schedule/careless", "factor in epoch 0 of 1 is NaN"),
        ("aggregator/peeking", "looks at the labels"),
        ("calibrator/shifting", "preserves accuracy, but"),
        ("calibrator/shifting", "log loss rises"),
        ("mixing/leaking", "a target is no distribution"),
        ("mixing/leaking", "pairs images although"),
        ("augmentation/drifting", "it moves pixels of an image of 32x32 otherwise than"),
        ("augmentation/drifting", "draws something else from the stream"),
        ("mixing/diluted", "it blends otherwise"),
        ("objective/halved", "gradient is off by"),
        ("optimizer/hasty", "its lowering's parameters differ"),
    ] {
        let hit = found.iter().any(|line| line.starts_with(component) && line.contains(message));
        assert!(hit, "{component} {message} is not among\n{}", found.join("\n"));
    }
    assert!(!found.iter().any(|line| line.starts_with("schedule/honest")), "{found:?}");
}
