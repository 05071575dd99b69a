//! Mixings on batches whose images show their own number, so that every pixel tells where it came from.

use balpoe_core::components::{Batch, Mixing, MixingStreams, Targets};
use balpoe_plugins::mixings::{Cutmix, LabelSmoothing, MixingStream, Mixup, MixupOrCutmix};

const IMAGES: usize = 16;
const PIXELS: usize = 12 * 10;

/// Image i is of class i, and every value of it is i.
fn batch() -> Batch {
    let images = (0..IMAGES).flat_map(|i| std::iter::repeat_n(i as f32, PIXELS * 3)).collect();
    Batch { images, shape: (12, 10, 3), targets: Targets::hard((0..IMAGES as u32).collect()) }
}

fn mixed(mixing: &dyn Mixing, seed: u64, number: usize) -> Batch {
    let mut batch = batch();
    mixing.mix(&mut batch, &MixingStreams { seed, epoch: 0, batch: number, position: 0 });
    batch
}

/// Own label, partner's label, weight of the own one, and values of an image.
fn images(batch: &Batch) -> impl Iterator<Item = (f32, f32, f32, &[f32])> {
    let Targets { first, second, lambda, .. } = &batch.targets;
    let values = batch.images.chunks_exact(PIXELS * 3);
    (0..IMAGES)
        .map(|i| (first[i] as f32, second[i] as f32, lambda[i]))
        .zip(values)
        .map(|((a, b, l), v)| (a, b, l, v))
}

#[test]
fn mixup_blends_images_as_it_blends_labels() {
    let mut lambdas = Vec::new();
    for number in 0..200 {
        let batch = mixed(&Mixup::default(), 1, number);
        for (own, partner, lambda, values) in images(&batch) {
            let expected = lambda * own + (1.0 - lambda) * partner;
            assert!(values.iter().all(|v| (v - expected).abs() < 1e-5));
        }
        let mut partners = batch.targets.second.clone();
        partners.sort_unstable();
        assert_eq!(partners, batch.targets.first, "partners are a permutation");
        lambdas.push(batch.targets.lambda[0]);
    }
    // Beta(0.4, 0.4) is symmetric and not folded: about half of its draws are below a half.
    let below = lambdas.iter().filter(|&&lambda| lambda < 0.5).count();
    assert!((70..130).contains(&below), "{below}");
}

#[test]
fn cutmix_weighs_labels_by_area() {
    let mut whole = 0;
    for number in 0..200 {
        let batch = mixed(&Cutmix::default(), 1, number);
        for (own, partner, lambda, values) in images(&batch) {
            let kept = values.iter().filter(|&&v| v == own).count() as f32 / values.len() as f32;
            assert!(values.iter().all(|&v| v == own || v == partner));
            assert!(own == partner || (kept - lambda).abs() < 1e-6, "{kept} {lambda}");
        }
        whole += usize::from(batch.targets.lambda[0] == 1.0);
    }
    // A box of less than two pixels a side is empty.
    assert!(whole < 40, "{whole} of 200 batches are not mixed");
}

#[test]
fn a_shared_stream_shares_weights_but_not_partners() {
    let draw = |stream, seed| mixed(&Mixup { stream, ..Mixup::default() }, seed, 3).targets;
    let (one, two) = (draw(MixingStream::Shared, 1), draw(MixingStream::Shared, 2));
    assert_eq!(one.lambda, two.lambda);
    assert_ne!(one.second, two.second);
    assert_ne!(draw(MixingStream::Own, 1).lambda, draw(MixingStream::Own, 2).lambda);
}

#[test]
fn the_coin_chooses_between_mixup_and_cutmix() {
    let count = |cutmix_probability| {
        let mixing = MixupOrCutmix { cutmix_probability, ..MixupOrCutmix::default() };
        let blends = |number| {
            let batch = mixed(&mixing, 1, number);
            images(&batch).any(|(own, partner, _, values)| values.iter().any(|&v| v != own && v != partner))
        };
        (0..100).filter(|&number| blends(number)).count()
    };
    assert!(count(0.0) > 90);
    assert!((30..70).contains(&count(0.5)));
    assert_eq!(count(1.0), 0);
}

#[test]
fn smoothing_compounds() {
    let mut batch = batch();
    let streams = MixingStreams { seed: 1, epoch: 0, batch: 0, position: 0 };
    LabelSmoothing { epsilon: 0.1 }.mix(&mut batch, &streams);
    LabelSmoothing { epsilon: 0.5 }.mix(&mut batch, &streams);
    assert!((batch.targets.smoothing - 0.55).abs() < 1e-6);
}
