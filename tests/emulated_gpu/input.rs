//! What a GPU does of the input by itself, and what is left to the host: the same training either way, and fewer bytes.

use balpoe::core::components::{Batch, Mixing, MixingStreams};
use balpoe::core::register;
use balpoe::core::registry::Component;
use balpoe::lab::{Devices, Resources};
use balpoe_emulation::EmulatedGpu;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Emulated, assert_same, can_emulate, losses, on_processor, store};

/// A mixing that changes nothing, which only the host knows.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Idle {}

impl Component for Idle {}

impl Mixing for Idle {
    fn mix(&self, _: &mut Batch, _: &MixingStreams) {}

    fn pairs(&self) -> bool {
        false
    }
}

register! {
    Mixing "idle" => Idle,
    summary: "changes nothing",
    paper: "",
    example: r#"kind = "idle""#,
}

/// Trains the miniature on one or two GPUs: the losses of its epochs, and the bytes that were brought to the GPUs.
fn trained(sets: &[&str], ordinals: &[usize], memory: usize) -> Result<(Vec<f64>, usize), String> {
    let gpus = Emulated { memory: Some(memory), ..Emulated::default() };
    let devices = Devices::Cuda { ordinals, gpus: &gpus };
    let resources = Resources { threads: 1, replicas: ordinals.len(), devices };
    let losses = losses(sets, &store().1, resources, None)?;
    let brought = gpus.gpus.lock().expect("no panic").iter().map(EmulatedGpu::uploaded).sum();
    Ok((losses, brought))
}

/// Augmentations that move pixels, and one more that does nothing here, but might do more.
const MOVES: [&str; 3] = ["kind=\"pad-crop\", padding=2", "kind=\"horizontal-flip\"", "kind=\"rotation\""];
const MORE_THAN_MOVES: &str = "kind=\"grayscale\", probability=0.0";
/// Mixings that blend, and one more that does nothing, but might do more.
const BLENDS: [&str; 2] = ["kind=\"mixup-or-cutmix\"", "kind=\"label-smoothing\""];
const MORE_THAN_BLENDS: &str = "kind=\"idle\"";

/// A list of components as `--set` takes it.
fn list(section: &str, components: &[&str], more: Option<&str>) -> String {
    let tables: Vec<String> =
        components.iter().copied().chain(more).map(|table| format!("{{{table}}}")).collect();
    format!("{section}=[{}]", tables.join(", "))
}

/// The same experiment with images of every form: those that are kept, bytes, and numbers.
fn forms() -> [[String; 2]; 3] {
    [(None, None), (Some(MORE_THAN_MOVES), None), (None, Some(MORE_THAN_BLENDS))]
        .map(|(moves, blends)| [list("augmentation", &MOVES, moves), list("mixing", &BLENDS, blends)])
}

#[test]
fn the_gpu_does_what_it_can_of_the_input() {
    if !can_emulate() {
        return;
    }
    for ordinals in [&[0][..], &[0, 1]] {
        let [kept, bytes, numbers] = forms().map(|[augmentations, mixings]| {
            trained(&[&augmentations, &mixings], ordinals, usize::MAX).expect("trained")
        });
        assert!(kept.0 == numbers.0 && bytes.0 == numbers.0, "{kept:?}, {bytes:?}, {numbers:?}");
        let [augmentations, mixings] = &forms()[0];
        // Turned images amplify what rounding decides: their dark corners lie where it does.
        let expected = on_processor(&[augmentations, mixings, "train.epochs=1"]);
        assert_same("the first epoch", &numbers.0[..1], &expected);
        // Parameters and test images are brought in any case.
        assert!(kept.1 < bytes.1 && bytes.1 < numbers.1, "{kept:?}, {bytes:?}, {numbers:?}");
    }
}

#[test]
fn phases_change_what_the_gpu_does() {
    if !can_emulate() {
        return;
    }
    let [[moves, _], [more_than_moves, _], _] = forms();
    let phases = format!(
        "phase=[{{after=1, set={{{more_than_moves}}}}}, {{after=2, set={{objective={{kind=\"focal\"}}, {moves}}}}}]"
    );
    // At a lower rate, since turned images amplify what rounding decides.
    let sets = [moves.as_str(), phases.as_str(), "train.epochs=4", "optimizer.learning_rate=0.0002"];
    let (found, _) = trained(&sets, &[0], usize::MAX).expect("trained");
    assert_same("phases", &found, &on_processor(&sets));
}

#[test]
fn images_that_find_no_room_are_brought_with_every_step() {
    if !can_emulate() {
        return;
    }
    let [[moves, _], ..] = forms();
    let trained = |memory| trained(&[&moves, "train.epochs=2"], &[0], memory);
    let (expected, ample) = trained(usize::MAX).expect("trained");
    // The least memory that it can be trained in has no room for what it could do without.
    let (mut too_little, mut enough) = (1 << 20, 16 << 20);
    while enough - too_little > 16 << 10 {
        let middle = usize::midpoint(too_little, enough);
        if trained(middle).is_ok() { enough = middle } else { too_little = middle }
    }
    let (found, brought) = trained(enough).expect("trained");
    assert!(found == expected, "{found:?} with little memory, {expected:?} with much");
    assert!(brought > ample, "{brought} bytes were brought, and {ample} where there is more memory");
}
