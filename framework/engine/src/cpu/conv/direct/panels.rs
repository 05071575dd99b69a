use crate::cpu::conv::geometry::Pass;
use crate::cpu::conv::product::Run;
use crate::cpu::conv::{ConvShape, Halo};
use crate::cpu::simd::LANES;

/// Neighbouring target vectors whose sums are in registers at the same time, and the source channels that they see.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// First target channel.
    pub(super) lane: usize,
    /// Vectors, 1 or 2.
    pub(super) width: usize,
    /// First source channel.
    pub(super) channel: usize,
    /// Where its weights begin.
    pub(super) weights: usize,
}

/// How the channels of a pass are cut, and where each weight goes: `[panel][tap][source channel][lane of the panel]`.
#[derive(Clone, Debug)]
pub(super) struct Panels {
    pub(super) list: Vec<Panel>,
    pub(super) runs: Vec<Run>,
    /// Values of the packed weights.
    pub(super) packed_len: usize,
    /// Source channels of a panel; those of other groups have zero weights.
    depth: usize,
}

/// Which channels of a weight are targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Transposed,
}

impl Panels {
    /// Panels of up to `widest` vectors.
    pub(super) fn new(
        shape: &ConvShape,
        direction: Direction,
        pass: &Pass,
        source: &Halo,
        widest: usize,
    ) -> Self {
        let sides = [(shape.out_channels, shape.group_outputs()), (shape.in_channels, shape.group_inputs())];
        let ((targets, group_targets), (sources, group_sources)) = match direction {
            Direction::Forward => (sides[0], sides[1]),
            Direction::Transposed => (sides[1], sides[0]),
        };
        // A panel that straddles groups multiplies zeros, the fewer the narrower it is.
        let widest = if shape.groups == 1 || group_targets % (widest * LANES) == 0 { widest } else { 1 };
        let vectors = targets.div_ceil(LANES);
        let mut list: Vec<Panel> = Vec::new();
        let mut depth = 0;
        for first in (0..vectors).step_by(widest) {
            let (lane, width) = (first * LANES, widest.min(vectors - first));
            let last = (lane + width * LANES).min(targets) - 1;
            let channel = lane / group_targets * group_sources;
            depth = depth.max((last / group_targets + 1) * group_sources - channel);
            list.push(Panel { lane, width, channel, weights: 0 });
        }
        let mut packed_len = 0;
        for panel in &mut list {
            panel.channel = panel.channel.min(sources - depth);
            panel.weights = packed_len;
            packed_len += pass.taps.len() * depth * panel.width * LANES;
        }
        let mut runs: Vec<Run> = Vec::new();
        for tap in &pass.taps {
            let offset = Pass::offset(tap, source);
            match runs.last_mut() {
                Some(run) if run.offset + run.length == offset => run.length += depth,
                _ => runs.push(Run { offset, length: depth }),
            }
        }
        Self { list, runs, packed_len, depth }
    }

    /// Calls `visit(packed index, weight index)` for every weight of the pass.
    pub(super) fn for_each_weight(
        &self,
        shape: &ConvShape,
        direction: Direction,
        pass: &Pass,
        mut visit: impl FnMut(usize, usize),
    ) {
        let (inputs, outputs) = (shape.group_inputs(), shape.group_outputs());
        let taps = shape.kernel[0] * shape.kernel[1];
        for panel in &self.list {
            let mut packed = panel.weights;
            for tap in &pass.taps {
                let tap = tap.kernel[0] * shape.kernel[1] + tap.kernel[1];
                for channel in panel.channel..panel.channel + self.depth {
                    for lane in panel.lane..panel.lane + panel.width * LANES {
                        let (output, input) = match direction {
                            Direction::Forward => (lane, channel),
                            Direction::Transposed => (channel, lane),
                        };
                        if output < shape.out_channels
                            && input < shape.in_channels
                            && output / outputs == input / inputs
                        {
                            visit(packed, (output * inputs + input % inputs) * taps + tap);
                        }
                        packed += 1;
                    }
                }
            }
        }
    }
}
