//! How far apart pixels lie in the processor's memory.

use super::simd::round_up;
use crate::graph::Graph;
use balpoe_net::Op;

/// Rounds the channels of every value up to whole vectors, the rest being zero. Images that only convolutions read keep their
/// own channel count.
pub(super) fn pad_channels(graph: &mut Graph) {
    for value in &mut graph.values {
        value.stride = round_up(value.shape.channels);
    }
    let images = &graph.values[0];
    let only_convolutions =
        images.readers.iter().all(|&reader| matches!(graph.ops[reader].op, Op::Conv { .. }));
    if only_convolutions && images.sums.is_empty() {
        graph.values[0].stride = images.shape.channels;
    }
}
