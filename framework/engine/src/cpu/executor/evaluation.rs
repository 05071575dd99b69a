//! Evaluation: a few images at a time through the whole network, so that feature maps never leave the caches.

use super::CpuExecutor;
use super::forward::copy_image;
use super::frame::{Frame, Place};
use crate::EngineError;
use crate::cpu::graph::ValueId;
use crate::cpu::memory::Buffer;
use crate::cpu::norm::BatchNormGroup;
use crate::cpu::plan::Step;
use std::sync::PoisonError;

/// Images that go through the network together, if no kernel asks for more.
const CHUNK: usize = 4;

/// Memory of evaluations.
pub(super) struct EvaluationMemory {
    /// Values of the whole batch: what classifiers read and write, outputs, and what outlives a run of steps.
    #[expect(dead_code, reason = "`places` points into it")]
    kept: Buffer,
    /// One for each thread: values of the images at hand.
    local: Vec<Buffer>,
    places: Vec<Option<Place>>,
    chunk: usize,
}

impl CpuExecutor {
    pub(super) fn forward_evaluation(&mut self, images: &[f32], batch: usize) -> Result<(), EngineError> {
        self.pack()?;
        for (state, norm) in self.norms.iter_mut().zip(&self.graph.norms) {
            let (gamma, beta) = (&self.parameters[norm.gamma], &self.parameters[norm.beta]);
            state.use_running(gamma, beta, &self.buffers[norm.mean], &self.buffers[norm.variance]);
        }
        if self.evaluation.is_none() {
            self.evaluation = Some(self.plan_evaluation());
        }
        let Some(memory) = &self.evaluation else { return Ok(()) };
        let places = memory.places.clone();
        let frame = Frame { group: BatchNormGroup::All, ..self.frame(&places, &[]) };
        self.pool.run(batch, &|_, image| copy_image(&frame, images, image))?;
        let mut step = 0;
        while step < self.plan.steps.len() {
            if let Some(op) = self.classifier_of(step) {
                self.forward_classifier(op, &places, batch)?;
                step += 1;
            } else {
                let end = self.end_of_run(step);
                self.evaluate_run(&places, step..end, batch)?;
                step = end;
            }
        }
        self.copy_outputs(&places, batch);
        Ok(())
    }

    /// The end of the run of steps from `first` on that work image by image.
    fn end_of_run(&self, first: usize) -> usize {
        let steps = first..self.plan.steps.len();
        steps.clone().find(|&step| self.classifier_of(step).is_some()).unwrap_or(steps.end)
    }

    fn evaluate_run(
        &self,
        places: &[Option<Place>],
        steps: std::ops::Range<usize>,
        batch: usize,
    ) -> Result<(), EngineError> {
        let Some(memory) = &self.evaluation else { return Ok(()) };
        let chunk = memory.chunk;
        self.pool.run(batch.div_ceil(chunk), &|worker, item| {
            let images = item * chunk..((item + 1) * chunk).min(batch);
            let mut workspace = self.workspaces[worker].lock().unwrap_or_else(PoisonError::into_inner);
            let local = Some(memory.local[worker].shared());
            let group = BatchNormGroup::All;
            let frame = Frame { group, local, first: images.start, ..self.frame(places, &[]) };
            for step in steps.clone() {
                let block = self.images_of_step(step);
                for first in images.clone().step_by(block) {
                    let images = first..(first + block).min(images.end);
                    self.forward_block(&frame, step, images, &mut workspace, false);
                }
            }
        })
    }

    fn plan_evaluation(&self) -> EvaluationMemory {
        let kept = self.values_kept();
        let chunk = self.kernels.iter().map(|kernel| kernel.block).max().unwrap_or(CHUNK).min(CHUNK.max(1));
        let chunk = chunk.min(self.max_batch);
        let (regions, arena) = self.plan.evaluation(&self.graph, |value| kept[value]);
        let mut size = 0;
        let mut starts = vec![None; kept.len()];
        for (value, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
            starts[value] = Some(size);
            size += (self.graph.values[value].image_len() * self.max_batch).next_multiple_of(16);
        }
        let memory = Buffer::zeroed(size);
        let places = starts.iter().zip(&regions).map(|(start, region)| match (start, region) {
            // SAFETY: the starts were counted into the buffer's size.
            (Some(start), _) => Some(Place::Batch(unsafe { memory.shared().offset(*start) })),
            (None, Some(region)) => Some(Place::Local(region.offset * chunk)),
            (None, None) => None,
        });
        let places = places.collect();
        let local = (0..self.pool.threads()).map(|_| Buffer::zeroed(arena * chunk)).collect();
        EvaluationMemory { kept: memory, local, places, chunk }
    }

    /// Which values live in memory of the whole batch.
    fn values_kept(&self) -> Vec<bool> {
        let mut written = vec![None; self.graph.values.len()];
        let mut kept: Vec<bool> = self.graph.values.iter().map(|value| value.is_output).collect();
        kept[0] = true;
        let mut run = 0;
        for (index, step) in self.plan.steps.iter().enumerate() {
            let classifier = self.classifier_of(index).is_some();
            // A classifier is a run of its own.
            run += usize::from(classifier || index > 0 && self.classifier_of(index - 1).is_some());
            let (reads, writes) = self.reads_and_writes(step);
            for read in reads {
                kept[read] |= written[read].is_some_and(|written| written != run);
            }
            for write in writes {
                written[write] = Some(run);
                kept[write] |= classifier;
            }
        }
        kept
    }

    fn reads_and_writes(&self, step: &Step) -> (Vec<ValueId>, Vec<ValueId>) {
        let (inputs, writes) = match step {
            Step::Evaluate(value) => (vec![*value], vec![*value]),
            Step::Operation { op, keeps } => {
                let operation = &self.graph.ops[*op];
                (operation.inputs.clone(), keeps.iter().copied().chain([operation.output]).collect())
            }
        };
        let terms = |&input: &ValueId| {
            self.graph.values[input].as_sum().map_or(&[][..], |sum| &sum.terms).iter().map(|term| term.source)
        };
        let reads = inputs.iter().flat_map(terms).chain(inputs.iter().copied()).collect();
        (reads, writes)
    }
}
