//! Evaluation: a few images at a time through the whole network, so that feature maps never leave the caches.

use super::CpuExecutor;
use super::forward::copy_image;
use super::frame::{Frame, Place};
use crate::EngineError;
use crate::cpu::memory::Buffer;
use crate::graph::ValueId;
use crate::groups::Groups;
use crate::schedule::Step;
use std::ops::Range;
use std::sync::PoisonError;

/// Images of a chunk, at most; it bounds the memory of every thread.
const MOST_IMAGES: usize = 16;

/// Steps that a few images go through together.
#[derive(Clone)]
struct Segment {
    steps: Range<usize>,
    /// How many images; as many as the kernels of these steps want in a block.
    chunk: usize,
}

/// Memory of evaluations.
pub(super) struct EvaluationMemory {
    segments: Vec<Segment>,
    /// Values of the whole batch: what classifiers read and write, outputs, and what outlives a segment.
    #[expect(dead_code, reason = "`places` points into it")]
    kept: Buffer,
    /// One for each thread: values of the images at hand.
    local: Vec<Buffer>,
    places: Vec<Option<Place>>,
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
        let (places, segments) = (memory.places.clone(), memory.segments.clone());
        let frame = Frame { groups: Groups::one(), ..self.frame(&places, &[]) };
        self.pool.run(batch, &|_, image| copy_image(&frame, images, image))?;
        for segment in segments {
            match self.classifier_of(segment.steps.start) {
                Some(op) => self.forward_classifier(op, &places, batch)?,
                None => self.evaluate_segment(&places, &segment, batch)?,
            }
        }
        self.copy_outputs(&places, batch);
        Ok(())
    }

    fn evaluate_segment(
        &self,
        places: &[Option<Place>],
        segment: &Segment,
        batch: usize,
    ) -> Result<(), EngineError> {
        let Some(memory) = &self.evaluation else { return Ok(()) };
        let chunk = segment.chunk;
        self.pool.run(batch.div_ceil(chunk), &|worker, item| {
            let images = item * chunk..((item + 1) * chunk).min(batch);
            let mut workspace = self.workspaces[worker].lock().unwrap_or_else(PoisonError::into_inner);
            let local = Some(memory.local[worker].shared());
            let groups = Groups::one();
            let frame = Frame { groups, local, first: images.start, ..self.frame(places, &[]) };
            for step in segment.steps.clone() {
                let block = self.images_of_step(step);
                for first in images.clone().step_by(block) {
                    let images = first..(first + block).min(images.end);
                    self.forward_block(&frame, step, images, &mut workspace, false);
                }
            }
        })
    }

    /// Cuts the steps where the size of blocks changes much: large feature maps go through the network image by image,
    /// small ones several at a time. A classifier is a segment of its own.
    fn segments(&self) -> Vec<Segment> {
        let mut segments: Vec<Segment> = Vec::new();
        for step in 0..self.plan.steps.len() {
            let classifier = self.classifier_of(step).is_some();
            let block = if classifier { 1 } else { self.images_of_step(step).min(MOST_IMAGES) };
            match segments.last_mut() {
                Some(Segment { steps, chunk })
                    if !classifier
                        && self.classifier_of(steps.start).is_none()
                        && (chunk.div_ceil(2)..=*chunk).contains(&block) =>
                {
                    steps.end += 1;
                }
                _ => segments.push(Segment { steps: step..step + 1, chunk: block }),
            }
        }
        segments
    }

    fn plan_evaluation(&self) -> EvaluationMemory {
        let segments = self.segments();
        let (kept, chunks) = self.values_kept(&segments);
        let steps: Vec<usize> = (0..=self.plan.steps.len()).collect();
        let segment_of =
            segments.iter().enumerate().flat_map(|(i, segment)| segment.steps.clone().map(move |_| i));
        let segment_of: Vec<usize> = segment_of.chain([segments.len()]).collect();
        let (kept_regions, kept_len) = self.plan.evaluation(&self.graph, &segment_of, |value| kept[value]);
        let (local_regions, local_len) = self.plan.evaluation(&self.graph, &steps, |value| !kept[value]);
        let memory = Buffer::zeroed(kept_len * self.max_batch);
        let places = (0..kept.len()).map(|value| match (kept_regions[value], local_regions[value]) {
            (Some(region), _) => {
                // SAFETY: the buffer was made as large as all regions need.
                Some(Place::Batch(unsafe { memory.shared().offset(region.offset * self.max_batch) }))
            }
            // All values of a segment lie at multiples of its chunk, and those of others are gone.
            (None, Some(region)) => Some(Place::Local(region.offset * chunks[value])),
            (None, None) => None,
        });
        let places = places.collect();
        let chunk = segments.iter().map(|segment| segment.chunk).max().unwrap_or(1);
        let local = (0..self.pool.threads()).map(|_| Buffer::zeroed(local_len * chunk)).collect();
        EvaluationMemory { segments, kept: memory, local, places }
    }

    /// Which values live in memory of the whole batch, and the chunk of the segment that writes each value.
    fn values_kept(&self, segments: &[Segment]) -> (Vec<bool>, Vec<usize>) {
        let mut written = vec![None; self.graph.values.len()];
        let mut chunks = vec![1; self.graph.values.len()];
        let mut kept: Vec<bool> = self.graph.values.iter().map(|value| value.is_output).collect();
        kept[0] = true;
        for (index, segment) in segments.iter().enumerate() {
            for step in segment.steps.clone() {
                let (reads, writes) = self.reads_and_writes(&self.plan.steps[step]);
                for read in reads {
                    kept[read] |= written[read].is_some_and(|written| written != index);
                }
                for write in writes {
                    written[write] = Some(index);
                    chunks[write] = segment.chunk;
                    kept[write] |= self.classifier_of(step).is_some();
                }
            }
        }
        (kept, chunks)
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
