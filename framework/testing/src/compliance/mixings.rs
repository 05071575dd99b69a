//! Mixings: targets stay distributions, and the stream decides everything.

use balpoe_core::components::{Batch, Mixing, MixingStreams, Targets};

use super::Findings;
use crate::generated::{normal, stream};

const CLASSES: usize = 5;
const SHAPE: (usize, usize, usize) = (6, 8, 3);

pub(super) fn check(mixing: &dyn Mixing, findings: &mut Findings) {
    for images in [1, 7] {
        let labels: Vec<u32> = (0..images).map(|i| (i % CLASSES) as u32).collect();
        let values = normal(images * SHAPE.0 * SHAPE.1 * SHAPE.2, 1.0, &mut stream(4));
        let batch = Batch { images: values, shape: SHAPE, targets: Targets::hard(labels) };
        for number in 0..20 {
            one_batch(mixing, &batch, number, findings);
        }
    }
}

fn one_batch(mixing: &dyn Mixing, batch: &Batch, number: usize, findings: &mut Findings) {
    let streams = MixingStreams { seed: 1, epoch: 2, batch: number, position: 0 };
    let mixed = |streams: &MixingStreams| {
        let mut mixed = batch.clone();
        mixing.mix(&mut mixed, streams);
        mixed
    };
    let found = mixed(&streams);
    findings.expect(found == mixed(&streams), || "the same streams mix differently".to_owned());
    if let Some(blending) = mixing.blending() {
        let mut blended = batch.clone();
        if let Some(blend) = blending.blend(&mut blended.targets, (SHAPE.0, SHAPE.1), &streams) {
            blended.blend(&blend);
        }
        findings.expect(found == blended, || "it blends otherwise than its `blending` says".to_owned());
    }
    findings.expect(found.shape == SHAPE && found.images.len() == batch.images.len(), || {
        "the images' shape changes".to_owned()
    });
    findings.expect(found.images.iter().all(|x| x.is_finite()), || "an image is not finite".to_owned());
    let Targets { first, second, lambda, .. } = &found.targets;
    let complete = [first.len(), second.len(), lambda.len()] == [batch.len(); 3];
    findings.expect(complete, || "targets have not one entry for each image".to_owned());
    if !complete || first.iter().chain(second).any(|&label| label as usize >= CLASSES) {
        return findings.note("targets name classes that there are none of");
    }
    for row in found.targets.dense(CLASSES).chunks_exact(CLASSES) {
        let sum: f32 = row.iter().sum();
        findings.expect((sum - 1.0).abs() < 1e-5 && row.iter().all(|&t| t >= 0.0), || {
            format!("a target is no distribution: {row:?}")
        });
    }
    let hard = Targets { smoothing: found.targets.smoothing, ..batch.targets.clone() };
    findings.expect(mixing.pairs() || found.targets == hard, || {
        "it pairs images although `pairs` says that it does not".to_owned()
    });
}
