//! Samplers: positions that exist, decided by the stream.

use balpoe_core::components::Sampler;
use balpoe_core::random::{Purpose, Stream};

use super::Findings;
use crate::generated::class_counts;

pub(super) fn check(sampler: &dyn Sampler, findings: &mut Findings) {
    let counts = class_counts(10);
    let labels: Vec<u32> = counts
        .iter()
        .enumerate()
        .flat_map(|(class, &count)| std::iter::repeat_n(class as u32, count))
        .collect();
    let epoch = |number| sampler.epoch(&labels, &counts, &mut Stream::new(1, Purpose::Sampling, number, 0));
    let first = epoch(0);
    findings.expect(!first.is_empty(), || "an epoch is empty".to_owned());
    findings.expect(first.iter().all(|&position| (position as usize) < labels.len()), || {
        "an epoch visits images that there are none of".to_owned()
    });
    findings.expect(first == epoch(0), || "the same stream gives another epoch".to_owned());
    findings.expect(first.len() == epoch(1).len(), || "epochs have different lengths".to_owned());

    // A class without images, and a single image.
    let sparse = sampler.epoch(&[0, 2, 2], &[1, 0, 2], &mut Stream::new(1, Purpose::Sampling, 0, 0));
    findings.expect(!sparse.is_empty() && sparse.iter().all(|&position| position < 3), || {
        "a class without images leads outside the data".to_owned()
    });
    let single = sampler.epoch(&[0], &[1], &mut Stream::new(1, Purpose::Sampling, 0, 0));
    findings.expect(!single.is_empty() && single.iter().all(|&position| position == 0), || {
        "a single image is not sampled".to_owned()
    });
}
