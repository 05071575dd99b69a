//! What is known of a network before any device or batch: the same for all replicas.

use super::parameters::ParameterSlab;
use crate::cuda::Storage;
use crate::graph::{Form, Graph, Reading, ValueId};
use crate::groups::{BatchNormGroup, Groups};
use crate::schedule::Schedule;
use crate::share;
use balpoe_net::Net;
use std::ops::Range;

/// A network, lowered.
pub(super) struct Outline {
    pub(super) net: Net,
    pub(super) graph: Graph,
    pub(super) schedule: Schedule,
    pub(super) parameters: ParameterSlab,
    /// Where each running statistic lies in their slab, in values.
    pub(super) statistics: Vec<Range<usize>>,
    pub(super) storage: Storage,
    pub(super) max_batch: usize,
    pub(super) batch_norm: BatchNormGroup,
    pub(super) replicas: usize,
}

/// The part of a batch that a replica works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its images; there may be none.
    pub(super) images: usize,
    /// Place of the first of them in the batch.
    pub(super) first: usize,
    /// Images of the whole batch.
    pub(super) batch: usize,
    /// Images of a full batch-norm group.
    pub(super) group: usize,
    /// Whether groups lie on several replicas, so that their sums are exchanged.
    pub(super) exchanges: bool,
}

impl Part {
    /// Batch-norm groups of the whole batch.
    pub(super) fn groups(self) -> usize {
        self.batch.div_ceil(self.group)
    }

    /// Groups that this part has images of.
    pub(super) fn own_groups(self) -> Range<usize> {
        if self.images == 0 {
            return 0..0;
        }
        self.first / self.group..(self.first + self.images - 1) / self.group + 1
    }
}

/// The objective, as far as programs depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LossShape {
    /// Outputs that are experts' logits.
    pub(super) logits: Range<usize>,
    pub(super) classes: usize,
}

impl Outline {
    pub(super) fn new(
        net: &Net,
        max_batch: usize,
        batch_norm: BatchNormGroup,
        replicas: usize,
        storage: Storage,
    ) -> Self {
        let graph = Graph::new(net, Reading::FromMemory);
        let schedule = Schedule::new(&graph);
        let parameters = ParameterSlab::new(net, &graph, &schedule);
        let mut end = 0;
        let statistics = net.buffers().iter().map(|buffer| {
            let start = end;
            end += buffer.len.next_multiple_of(4);
            start..start + buffer.len
        });
        let statistics = statistics.collect();
        Self {
            net: net.clone(),
            graph,
            schedule,
            parameters,
            statistics,
            storage,
            max_batch,
            batch_norm,
            replicas,
        }
    }

    /// Values of the slab of running statistics.
    pub(super) fn statistics_len(&self) -> usize {
        self.statistics.last().map_or(0, |range| range.end)
    }

    /// Images that a replica may get.
    pub(super) fn max_share(&self) -> usize {
        share::largest(self.max_batch, self.replicas, self.batch_norm)
    }

    /// Bytes of a value of a feature map.
    pub(super) fn value_size(&self) -> usize {
        match self.storage {
            Storage::F32 => 4,
            Storage::Bf16 => 2,
        }
    }

    /// The parts of a batch in training, one for each replica.
    pub(super) fn training_parts(&self, batch: usize) -> Vec<Part> {
        let shares = share::divide(batch, self.replicas, self.batch_norm);
        let exchanges = share::splits_groups(&shares, self.batch_norm);
        let group = match self.batch_norm {
            BatchNormGroup::All => batch,
            // Larger ones are the batch as well, and kernels count rows of a group in 31 bits.
            BatchNormGroup::Images(images) => images.min(batch),
        };
        self.parts(batch, &shares, group, exchanges)
    }

    /// The parts of a batch in evaluation.
    pub(super) fn evaluation_parts(&self, batch: usize) -> Vec<Part> {
        let shares = share::divide(batch, self.replicas, BatchNormGroup::Images(1));
        self.parts(batch, &shares, batch, false)
    }

    fn parts(&self, batch: usize, shares: &[Range<usize>], group: usize, exchanges: bool) -> Vec<Part> {
        let share = |replica: usize| shares.get(replica).cloned().unwrap_or(batch..batch);
        let part =
            |share: Range<usize>| Part { images: share.len(), first: share.start, batch, group, exchanges };
        (0..self.replicas).map(|replica| part(share(replica))).collect()
    }

    /// A part at least as large as any, with the most batch-norm groups, for planning memory.
    pub(super) fn largest_part(&self) -> Part {
        let part = self.training_parts(self.max_batch)[0];
        Part { images: self.max_share(), first: 0, exchanges: self.replicas > 1, ..part }
    }

    /// Batch-norm groups of the smallest size that a batch has.
    pub(super) fn smallest_group(&self, batch: usize) -> usize {
        Groups::new(self.batch_norm, 0, batch).smallest()
    }

    /// Whether a value is the logits of a classifier and of use to nobody but the user.
    pub(super) fn is_head(&self, value: ValueId) -> bool {
        let node = &self.graph.values[value];
        let Form::Op(op) = node.form else { return false };
        let outputs = self.graph.outputs.iter().filter(|&&output| output == value).count();
        let is_read = !node.readers.is_empty() || !node.sums.is_empty();
        self.graph.ops[op].is_classifier() && outputs == 1 && !is_read
    }

    /// Values of an output of one image.
    pub(super) fn output_len(&self, k: usize) -> usize {
        self.graph.values[self.graph.outputs[k]].shape.len()
    }
}
