//! The forward pass, block by block.

use super::frame::{Frame, Place};
use super::kernels::{Kind, OpKernel, images_of_block};
use super::timer::Pass;
use super::workspace::{Lists, Workspace};
use super::{CpuExecutor, Share};
use crate::EngineError;
use crate::cpu::classifier::Rows;
use crate::cpu::conv::Halo;
use crate::cpu::elementwise::{Evaluate, Extent, Moments, Plane};
use crate::cpu::memory::Buffer;
use crate::cpu::pooling;
use crate::cpu::simd::{Dispatch, LANES};
use crate::graph::{Form, Map, ValueId};
use crate::schedule::Step;
use balpoe_net::Shape;
use std::ops::Range;
use std::slice;
use std::sync::PoisonError;

impl CpuExecutor {
    pub(super) fn forward_training(&mut self, images: &[f32], batch: usize) -> Result<(), EngineError> {
        self.check_norm_groups()?;
        self.pack()?;
        let size = self.plan.arena * self.max_batch;
        self.training.get_or_insert_with(|| Buffer::zeroed(size));
        self.load_images(images, batch)?;
        for step in 0..self.plan.steps.len() {
            let start = self.timer.start();
            self.forward_step(step, batch)?;
            self.record(start, step, Pass::Forward, batch);
        }
        let places = self.training_places().0;
        self.copy_outputs(&places, batch);
        self.trained_batch = Some(batch);
        Ok(())
    }

    /// Refuses batches in which a batch norm's variance would be undefined.
    fn check_norm_groups(&self) -> Result<(), EngineError> {
        let smallest = self.share.groups.smallest();
        for norm in &self.graph.norms {
            if smallest * self.graph.values[norm.source].shape.pixels() == 1 {
                return Err(EngineError::OneValuePerChannel { name: norm.name.clone() });
            }
        }
        Ok(())
    }

    /// Places of values and gradients in the training arena.
    pub(super) fn training_places(&self) -> (Vec<Option<Place>>, Vec<Option<Place>>) {
        let Some(arena) = &self.training else { return Default::default() };
        let place = |region: &Option<crate::arena::Region>| {
            // SAFETY: the arena has room for all regions at the largest batch.
            region
                .map(|region| Place::Batch(unsafe { arena.shared().offset(region.offset * self.max_batch) }))
        };
        (self.plan.values.iter().map(place).collect(), self.plan.gradients.iter().map(place).collect())
    }

    pub(super) fn frame<'a>(
        &'a self,
        values: &'a [Option<Place>],
        gradients: &'a [Option<Place>],
    ) -> Frame<'a> {
        let (graph, norms, groups) = (&self.graph, &self.norms[..], self.share.groups);
        Frame { graph, norms, groups, values, gradients, local: None, first: 0 }
    }

    /// Copies the images into the arena and takes their statistics if a batch norm reads them directly.
    fn load_images(&mut self, images: &[f32], batch: usize) -> Result<(), EngineError> {
        let (values, gradients) = self.training_places();
        let frame = self.frame(&values, &gradients);
        self.pool.run(batch, &|_, image| {
            copy_image(&frame, images, image);
            take_moments(self.dispatch, &frame, 0, image);
        })?;
        self.finish_norms_of(0, batch)
    }

    fn forward_step(&mut self, index: usize, batch: usize) -> Result<(), EngineError> {
        let (values, gradients) = self.training_places();
        let stored = match &self.plan.steps[index] {
            Step::Evaluate(value) => vec![*value],
            Step::Operation { op, keeps } => {
                keeps.iter().copied().chain([self.graph.ops[*op].output]).collect()
            }
        };
        if let Some(op) = self.classifier_of(index) {
            self.forward_classifier(op, &values, batch)?;
        } else {
            let frame = self.frame(&values, &gradients);
            let block = self.images_of_step(index);
            self.pool.run(batch.div_ceil(block), &|worker, item| {
                let images = item * block..((item + 1) * block).min(batch);
                let mut workspace = self.workspaces[worker].lock().unwrap_or_else(PoisonError::into_inner);
                self.forward_block(&frame, index, images, &mut workspace, true);
            })?;
        }
        for value in stored {
            if self.classifier_of(index).is_some() {
                let frame = self.frame(&values, &gradients);
                (0..batch).for_each(|image| take_moments(self.dispatch, &frame, value, image));
            }
            self.finish_norms_of(value, batch)?;
        }
        Ok(())
    }

    /// The operation of a step if it is a classifier.
    pub(super) fn classifier_of(&self, step: usize) -> Option<usize> {
        match self.plan.steps[step] {
            Step::Operation { op, .. } if self.graph.ops[op].is_classifier() => Some(op),
            _ => None,
        }
    }

    pub(super) fn images_of_step(&self, step: usize) -> usize {
        match self.plan.steps[step] {
            Step::Evaluate(value) => images_of_block(&self.graph.values[value]),
            Step::Operation { op, .. } => self.kernels[op].block,
        }
    }

    /// One step on a block of images.
    pub(super) fn forward_block(
        &self,
        frame: &Frame<'_>,
        step: usize,
        images: Range<usize>,
        workspace: &mut Workspace,
        training: bool,
    ) {
        match &self.plan.steps[step] {
            Step::Evaluate(value) => {
                for image in images {
                    let target = frame.value(*value, image);
                    self.evaluate(frame, *value, image, target, None, &mut workspace.lists);
                    if training {
                        take_moments(self.dispatch, frame, *value, image);
                    }
                }
            }
            Step::Operation { op, keeps } => {
                let kernel = &self.kernels[*op];
                let operation = &self.graph.ops[*op];
                if !self.graph.reads_memory(operation) {
                    let input = operation.inputs[0];
                    self.fill_input(frame, kernel, input, images.clone(), !keeps.is_empty(), workspace);
                    if training && !keeps.is_empty() {
                        images.clone().for_each(|image| take_moments(self.dispatch, frame, input, image));
                    }
                }
                self.forward_kernel(frame, *op, images.clone(), workspace);
                if training {
                    images.for_each(|image| take_moments(self.dispatch, frame, operation.output, image));
                }
            }
        }
    }

    /// Evaluates one image of a sum.
    fn evaluate(
        &self,
        frame: &Frame<'_>,
        value: ValueId,
        image: usize,
        target: Plane,
        copy: Option<Plane>,
        lists: &mut Lists,
    ) {
        frame.list_value(value, image, true, &mut lists.pieces);
        let activation = self.graph.values[value].as_sum().and_then(|sum| sum.activation);
        let extent = frame.extent(value);
        self.dispatch.run(Evaluate { extent, pieces: &lists.pieces, activation, target, copy });
    }

    /// Brings a block of an operation's input into the form that its kernel reads, evaluating it if it is not in memory.
    /// With `keep`, it is evaluated and also stored.
    pub(super) fn fill_input(
        &self,
        frame: &Frame<'_>,
        kernel: &OpKernel,
        input: ValueId,
        images: Range<usize>,
        keep: bool,
        workspace: &mut Workspace,
    ) {
        let Workspace { inputs, image: room, lists, .. } = workspace;
        let value = &self.graph.values[input];
        let extent = frame.extent(input);
        let scratch = inputs[kernel.input_slot].shared();
        for (place, image) in images.enumerate() {
            // SAFETY: the buffer has room for a block of images in this form.
            let start = unsafe { scratch.at(kernel.input.offset(place, 0, 0)) };
            let target = Plane { start, row_len: kernel.input.row_len() };
            let copy = keep.then(|| frame.value(input, image));
            let evaluate = keep || !value.is_stored();
            if kernel.input.channels == value.stride && value.stride.is_multiple_of(LANES) {
                if evaluate {
                    self.evaluate(frame, input, image, target, copy, lists);
                } else {
                    frame.list_value(input, image, false, &mut lists.pieces);
                    let pieces = &lists.pieces;
                    self.dispatch.run(Evaluate { extent, pieces, activation: None, target, copy: None });
                }
                continue;
            }
            let source = if evaluate {
                let row_len = extent.width * extent.stride;
                let dense = copy.unwrap_or(Plane { start: room.as_mut_ptr(), row_len });
                self.evaluate(frame, input, image, dense, None, lists);
                dense
            } else {
                frame.value(input, image)
            };
            // SAFETY: both planes hold the image, with as many channels as the value has.
            unsafe { copy_channels(value.shape, extent, source, target, &kernel.input) };
        }
    }

    /// Runs an operation's kernel on a block whose input has been filled.
    fn forward_kernel(&self, frame: &Frame<'_>, op: usize, images: Range<usize>, workspace: &mut Workspace) {
        let (kernel, operation) = (&self.kernels[op], &self.graph.ops[op]);
        let Workspace { inputs, kernel: scratch, .. } = workspace;
        let value = &self.graph.values[operation.output];
        let count = images.len();
        let start = frame.value(operation.output, images.start).start;
        // SAFETY: the images of a block lie one after the other, and this thread alone works on them.
        let output = unsafe { slice::from_raw_parts_mut(start, count * value.image_len()) };
        let input = &inputs[kernel.input_slot];
        let shapes = (self.graph.values[operation.inputs[0]].shape, value.shape);
        let pairs = || input.chunks_exact(kernel.input.image_len()).take(count);
        match &kernel.kind {
            Kind::Conv(conv) => {
                conv.kernel.forward(input, count, &conv.packed, scratch, output);
                if let Some(bias) = conv.bias {
                    for pixel in output.chunks_exact_mut(value.stride) {
                        pixel.iter_mut().zip(&self.parameters[bias]).for_each(|(x, bias)| *x += bias);
                    }
                }
            }
            Kind::MaxPool(window) => {
                for (input, output) in pairs().zip(output.chunks_exact_mut(value.image_len())) {
                    pooling::max_forward(shapes, *window, value.stride, input, output);
                }
            }
            Kind::AveragePool(window) => {
                for (input, output) in pairs().zip(output.chunks_exact_mut(value.image_len())) {
                    pooling::average_forward(shapes, *window, value.stride, input, output);
                }
            }
            Kind::Concat => {
                for (image, output) in images.zip(output.chunks_exact_mut(value.image_len())) {
                    self.concatenate(frame, &operation.inputs, image, value.stride, output);
                }
            }
            Kind::Classifier(_) => unreachable!("classifiers work on the whole batch"),
        }
    }

    fn concatenate(
        &self,
        frame: &Frame<'_>,
        inputs: &[ValueId],
        image: usize,
        stride: usize,
        output: &mut [f32],
    ) {
        output.fill(0.0);
        let mut before = 0;
        for &input in inputs {
            let value = &self.graph.values[input];
            let channels = value.shape.channels;
            // SAFETY: the plan keeps the input in memory, and nobody writes it now.
            let source = unsafe { slice::from_raw_parts(frame.value(input, image).start, value.image_len()) };
            for (target, source) in output.chunks_exact_mut(stride).zip(source.chunks_exact(value.stride)) {
                target[before..before + channels].copy_from_slice(&source[..channels]);
            }
            before += channels;
        }
    }

    pub(super) fn forward_classifier(
        &mut self,
        op: usize,
        values: &[Option<Place>],
        batch: usize,
    ) -> Result<(), EngineError> {
        let operation = &self.graph.ops[op];
        let x = rows(&self.graph.values[operation.inputs[0]], values[operation.inputs[0]], batch);
        let logits = rows(&self.graph.values[operation.output], values[operation.output], batch);
        let [weight, bias] = operation.parameters();
        let weight = weight.map_or(&[][..], |i| &self.parameters[i]);
        let bias = bias.map(|i| &self.parameters[i][..]);
        let Kind::Classifier(classifier) = &mut self.kernels[op].kind else {
            unreachable!("not a classifier")
        };
        classifier.forward(&self.pool, weight, bias, x, logits)
    }

    /// Turns the sums over a stored value's images into the coefficients of the batch norms that read it.
    fn finish_norms_of(&mut self, value: ValueId, batch: usize) -> Result<(), EngineError> {
        for index in 0..self.graph.values[value].sums.len() {
            let (_, Map::Norm(place)) = self.graph.values[value].sums[index] else { continue };
            let norm = &self.graph.norms[place];
            let pixels = self.graph.values[value].shape.pixels();
            let [mean, variance] =
                self.buffers.get_disjoint_mut([norm.mean, norm.variance]).expect("two buffers");
            let (gamma, beta) = (&self.parameters[norm.gamma], &self.parameters[norm.beta]);
            let Share { groups, peers } = &mut self.share;
            let sizes = (*groups, batch, pixels);
            self.norms[place].finish_forward(sizes, peers.as_mut(), gamma, beta, mean, variance)?;
        }
        Ok(())
    }

    /// Makes the outputs dense.
    pub(super) fn copy_outputs(&mut self, values: &[Option<Place>], batch: usize) {
        let mut outputs = std::mem::take(&mut self.outputs);
        let frame = self.frame(values, &[]);
        for (output, &id) in outputs.iter_mut().zip(&self.graph.outputs) {
            let value = &self.graph.values[id];
            output.clear();
            for image in 0..batch {
                // SAFETY: outputs are kept in memory, and no pass is running.
                let source =
                    unsafe { slice::from_raw_parts(frame.value(id, image).start, value.image_len()) };
                for pixel in source.chunks_exact(value.stride) {
                    output.extend_from_slice(&pixel[..value.shape.channels]);
                }
            }
        }
        self.outputs = outputs;
    }
}

/// A stored vector value as rows of a matrix.
pub(super) fn rows(value: &crate::graph::Value, place: Option<Place>, batch: usize) -> Rows {
    let Some(Place::Batch(start)) = place else { unreachable!("classifiers work on the whole batch") };
    Rows { start, stride: value.stride, batch }
}

/// Copies an image from the user's batch to its place, padding its channels if the plan says so.
pub(super) fn copy_image(frame: &Frame<'_>, images: &[f32], image: usize) {
    let value = &frame.graph.values[0];
    debug_assert!(matches!(value.form, Form::Images));
    let source = &images[image * value.shape.len()..][..value.shape.len()];
    let start = frame.value(0, image).start;
    // SAFETY: this thread alone works on the image.
    let target = unsafe { slice::from_raw_parts_mut(start, value.image_len()) };
    for (target, source) in
        target.chunks_exact_mut(value.stride).zip(source.chunks_exact(value.shape.channels))
    {
        target[..source.len()].copy_from_slice(source);
        target[source.len()..].fill(0.0);
    }
}

/// Sums one image of a stored value for every batch norm that reads it.
fn take_moments(dispatch: Dispatch, frame: &Frame<'_>, value: ValueId, image: usize) {
    for (_, map) in &frame.graph.values[value].sums {
        if let Map::Norm(norm) = map {
            let sums = frame.norms[*norm].partial(image);
            dispatch.run(Moments { extent: frame.extent(value), x: frame.value(value, image), sums });
        }
    }
}

/// Copies an image between forms with different channel strides; channels beyond the value's own stay as they are.
///
/// # Safety
/// `source` must hold an image of `extent`, and `target` one in `form`.
unsafe fn copy_channels(shape: Shape, extent: Extent, source: Plane, target: Plane, form: &Halo) {
    for y in 0..shape.height {
        // SAFETY: rows of an image, which the caller vouches for.
        let (source, target) = unsafe {
            let source = source.start.add(y * source.row_len);
            let target = target.start.add(y * target.row_len);
            (
                slice::from_raw_parts(source, extent.width * extent.stride),
                slice::from_raw_parts_mut(target, extent.width * form.channels),
            )
        };
        if extent.stride == form.channels {
            target.copy_from_slice(source);
            continue;
        }
        for (target, source) in target.chunks_exact_mut(form.channels).zip(source.chunks_exact(extent.stride))
        {
            target[..shape.channels].copy_from_slice(&source[..shape.channels]);
        }
    }
}
