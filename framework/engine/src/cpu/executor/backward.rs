//! The backward pass, shard by shard and block by block.

use super::forward::rows;
use super::frame::{Frame, Place};
use super::kernels::{Convolution, Kind};
use super::timer::Pass;
use super::workspace::Workspace;
use super::{CpuExecutor, Share};
use crate::EngineError;
use crate::cpu::classifier::Rows;
use crate::cpu::elementwise::{Differentiate, Evaluate, Plane};
use crate::cpu::memory::Buffer;
use crate::cpu::pooling;
use crate::graph::{Map, ValueId};
use crate::schedule::{Contribution, Flow, Step};
use std::ops::Range;
use std::slice;
use std::sync::PoisonError;

/// Values of an accumulator that a thread sums over the shards at a time.
const REDUCED: usize = 16 << 10;

impl CpuExecutor {
    pub(super) fn backward_training(
        &mut self,
        seeds: &[Option<&[f32]>],
        batch: usize,
        finished: &mut dyn FnMut(&mut [Vec<f32>], usize),
    ) -> Result<(), EngineError> {
        let (values, gradients) = self.training_places();
        self.load_seeds(seeds, &gradients, batch);
        for &parameter in &self.unused_parameters {
            self.gradients[parameter].fill(0.0);
        }
        for step in (0..self.plan.steps.len()).rev() {
            let start = self.timer.start();
            if let Some(op) = self.classifier_of(step) {
                self.backward_classifier(step, op, (&values, &gradients), batch)?;
            } else if let Some(conv) = self.convolution_of(step) {
                self.backward_convolution(step, conv, (&values, &gradients), batch)?;
            } else {
                let frame = self.frame(&values, &gradients);
                let block = self.images_of_step(step);
                self.pool.run(batch.div_ceil(block), &|worker, item| {
                    let images = item * block..((item + 1) * block).min(batch);
                    let mut workspace =
                        self.workspaces[worker].lock().unwrap_or_else(PoisonError::into_inner);
                    self.backward_block(&frame, step, images, &mut workspace, &mut []);
                })?;
            }
            self.finish_norms_before(step, batch)?;
            self.record(start, step, Pass::Backward, batch);
            finished(&mut self.gradients, step);
        }
        Ok(())
    }

    /// Starts the gradients of the outputs with what the user gave.
    fn load_seeds(&self, seeds: &[Option<&[f32]>], gradients: &[Option<Place>], batch: usize) {
        let frame = self.frame(&[], gradients);
        for image in 0..batch {
            for &id in &self.graph.outputs {
                // SAFETY: the plan keeps the gradients of outputs, and no pass is running.
                unsafe { whole_image(&frame, id, image) }.fill(0.0);
            }
            for (&id, seed) in self.graph.outputs.iter().zip(seeds) {
                let Some(seed) = seed else { continue };
                let value = &self.graph.values[id];
                let source = seed[image * value.shape.len()..].chunks_exact(value.shape.channels);
                // SAFETY: as above.
                let target = unsafe { whole_image(&frame, id, image) };
                for (target, source) in target.chunks_exact_mut(value.stride).zip(source) {
                    target.iter_mut().zip(source).for_each(|(target, &source)| *target += source);
                }
            }
        }
    }

    fn convolution_of(&self, step: usize) -> Option<usize> {
        match self.plan.steps[step] {
            Step::Operation { op, .. } if matches!(self.kernels[op].kind, Kind::Conv(_)) => Some(op),
            _ => None,
        }
    }

    fn backward_convolution(
        &mut self,
        step: usize,
        op: usize,
        (values, gradients): (&[Option<Place>], &[Option<Place>]),
        batch: usize,
    ) -> Result<(), EngineError> {
        let block = self.kernels[op].block;
        let Kind::Conv(conv) = &self.kernels[op].kind else { unreachable!("not a convolution") };
        let blocks = batch.div_ceil(block);
        let (shards, len) = (conv.shards(blocks), conv.accumulator_len());
        if self.accumulators.len() < shards * len {
            self.accumulators = Buffer::zeroed(shards * len);
        }
        let accumulators = self.accumulators.shared();
        let frame = self.frame(values, gradients);
        self.pool.run(shards, &|worker, shard| {
            let mut workspace = self.workspaces[worker].lock().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: the thread that took a shard alone uses its accumulator.
            let accumulator = unsafe { accumulators.slice_mut(shard * len, len) };
            accumulator.fill(0.0);
            for index in shard * blocks / shards..(shard + 1) * blocks / shards {
                let images = index * block..((index + 1) * block).min(batch);
                self.backward_block(&frame, step, images, &mut workspace, accumulator);
            }
        })?;
        self.pool.run(len.div_ceil(REDUCED), &|_, chunk| {
            let (start, count) = (chunk * REDUCED, REDUCED.min(len - chunk * REDUCED));
            // SAFETY: chunks are disjoint, and so are shards.
            let total = unsafe { accumulators.slice_mut(start, count) };
            for shard in 1..shards {
                // SAFETY: as above.
                let part = unsafe { accumulators.slice(shard * len + start, count) };
                total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
            }
        })?;
        conv.kernel.finish_weight_gradient(&self.accumulators, &mut self.gradients[conv.weight]);
        if let Some(bias) = conv.bias {
            let count = self.gradients[bias].len();
            self.gradients[bias].copy_from_slice(&self.accumulators[conv.bias_place()..][..count]);
        }
        Ok(())
    }

    /// Backward pass of one step on a block of images. A convolution adds its weight's gradient to `accumulator`.
    fn backward_block(
        &self,
        frame: &Frame<'_>,
        step: usize,
        images: Range<usize>,
        workspace: &mut Workspace,
        accumulator: &mut [f32],
    ) {
        let plan = &self.plan.backward[step];
        match &self.plan.steps[step] {
            Step::Evaluate(value) => {
                for image in images {
                    self.flow_back(frame, *value, image, &plan.inputs[0], None, workspace);
                }
            }
            Step::Operation { op, .. } => {
                let (kernel, operation) = (&self.kernels[*op], &self.graph.ops[*op]);
                self.fill_gradient(frame, *op, images.clone(), &plan.output, workspace);
                if matches!(kernel.kind, Kind::Conv(_) | Kind::MaxPool(_)) {
                    let input = operation.inputs[0];
                    self.fill_input(frame, kernel, input, images.clone(), false, workspace);
                }
                if let Kind::Conv(conv) = &kernel.kind {
                    self.weight_gradient(conv, *op, images.len(), workspace, accumulator);
                }
                for (place, (&input, flow)) in operation.inputs.iter().zip(&plan.inputs).enumerate() {
                    if matches!(flow, Flow::Stop) {
                        continue;
                    }
                    self.input_gradient(*op, place, images.len(), workspace);
                    let value = &self.graph.values[input];
                    for (index, image) in images.clone().enumerate() {
                        // SAFETY: the buffer has room for the input of a block.
                        let start = unsafe { workspace.dense.shared().at(index * value.image_len()) };
                        let own = Plane { start, row_len: value.shape.width * value.stride };
                        self.flow_back(frame, input, image, flow, Some(own), workspace);
                    }
                }
            }
        }
    }

    /// Brings a block of the gradient of an operation's output into the form that its kernel reads.
    fn fill_gradient(
        &self,
        frame: &Frame<'_>,
        op: usize,
        images: Range<usize>,
        contributions: &[Contribution],
        workspace: &mut Workspace,
    ) {
        let (kernel, output) = (&self.kernels[op], self.graph.ops[op].output);
        let Workspace { gradients, lists, .. } = workspace;
        let extent = frame.extent(output);
        for (place, image) in images.enumerate() {
            // SAFETY: the buffer has room for a block of images in this form.
            let start =
                unsafe { gradients[kernel.gradient_slot].shared().at(kernel.gradient.offset(place, 0, 0)) };
            let target = Plane { start, row_len: kernel.gradient.row_len() };
            frame.list_gradient(output, image, contributions, None, &mut lists.pieces);
            let pieces = &lists.pieces;
            self.dispatch.run(Evaluate { extent, pieces, activation: None, target, copy: None });
        }
    }

    fn weight_gradient(
        &self,
        conv: &Convolution,
        op: usize,
        count: usize,
        workspace: &mut Workspace,
        accumulator: &mut [f32],
    ) {
        let kernel = &self.kernels[op];
        let Workspace { inputs, gradients, kernel: scratch, .. } = workspace;
        let (input, dy) = (&inputs[kernel.input_slot], &gradients[kernel.gradient_slot]);
        conv.kernel.weight_gradient(input, dy, count, scratch, accumulator);
        if conv.bias.is_some() {
            let sums = &mut accumulator[conv.bias_place()..];
            // What surrounds the feature map is zero and may be summed too.
            for pixel in dy[..count * kernel.gradient.image_len()].chunks_exact(kernel.gradient.channels) {
                sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += value);
            }
        }
    }

    /// The gradient of one input of an operation, into the workspace's dense block.
    fn input_gradient(&self, op: usize, place: usize, count: usize, workspace: &mut Workspace) {
        let (kernel, operation) = (&self.kernels[op], &self.graph.ops[op]);
        let Workspace { inputs, gradients, dense, kernel: scratch, .. } = workspace;
        let (input, output) =
            (&self.graph.values[operation.inputs[place]], &self.graph.values[operation.output]);
        let dy = &gradients[kernel.gradient_slot];
        let shapes = (input.shape, output.shape);
        let dys = || dy.chunks_exact(output.image_len()).take(count);
        match &kernel.kind {
            Kind::Conv(conv) => {
                conv.kernel.data_gradient(dy, count, &conv.packed_transposed, scratch, dense);
            }
            Kind::MaxPool(window) => {
                let x = inputs[kernel.input_slot].chunks_exact(input.image_len());
                for ((dx, dy), x) in dense.chunks_exact_mut(input.image_len()).zip(dys()).zip(x) {
                    pooling::max_backward(shapes, *window, input.stride, x, dy, dx);
                }
            }
            Kind::AveragePool(window) => {
                for (dx, dy) in dense.chunks_exact_mut(input.image_len()).zip(dys()) {
                    pooling::average_backward(shapes, *window, input.stride, dy, dx);
                }
            }
            Kind::Concat => {
                let channels = |id: &ValueId| self.graph.values[*id].shape.channels;
                let before: usize = operation.inputs[..place].iter().map(channels).sum();
                let channels = input.shape.channels;
                let pixels = dys().flat_map(|dy| dy.chunks_exact(output.stride));
                for (dx, dy) in dense.chunks_exact_mut(input.stride).zip(pixels) {
                    dx[..channels].copy_from_slice(&dy[before..before + channels]);
                    dx[channels..].fill(0.0);
                }
            }
            Kind::Classifier(_) => unreachable!("classifiers work on the whole batch"),
        }
    }

    /// What becomes of the gradient of one image of a step's input, `own` being the kernel's part of it.
    fn flow_back(
        &self,
        frame: &Frame<'_>,
        value: ValueId,
        image: usize,
        flow: &Flow,
        own: Option<Plane>,
        workspace: &mut Workspace,
    ) {
        let Workspace { lists, row, .. } = workspace;
        let extent = frame.extent(value);
        match flow {
            Flow::Stop => {}
            Flow::Collect(contributions) => {
                frame.list_gradient(value, image, contributions, own, &mut lists.pieces);
                let (pieces, target) = (&lists.pieces, frame.gradient(value, image));
                self.dispatch.run(Evaluate { extent, pieces, activation: None, target, copy: None });
            }
            Flow::Finish(contributions) => {
                frame.list_gradient(value, image, contributions, own, &mut lists.pieces);
                frame.list_sums(value, image, lists);
                let activation = self.graph.values[value].as_sum().and_then(|sum| sum.activation);
                if activation.is_some() {
                    frame.list_value(value, image, false, &mut lists.value);
                }
                self.dispatch.run(Differentiate {
                    extent,
                    pieces: &lists.pieces,
                    activation: activation.map(|activation| (activation, &lists.value[..])),
                    target: frame.gradient(value, image),
                    sums: &lists.sums,
                    row: row.as_mut_ptr(),
                });
            }
        }
    }

    fn backward_classifier(
        &mut self,
        step: usize,
        op: usize,
        (values, gradients): (&[Option<Place>], &[Option<Place>]),
        batch: usize,
    ) -> Result<(), EngineError> {
        let operation = &self.graph.ops[op];
        let (input, output) = (operation.inputs[0], operation.output);
        let (input_value, output_value) = (&self.graph.values[input], &self.graph.values[output]);
        let frame = self.frame(values, gradients);
        let flow = &self.plan.backward[step];
        let mut pieces = Vec::new();
        let dlogits = Buffer::zeroed(batch * output_value.stride);
        for image in 0..batch {
            frame.list_gradient(output, image, &flow.output, None, &mut pieces);
            // SAFETY: the buffer has a row for every image.
            let start = unsafe { dlogits.shared().at(image * output_value.stride) };
            let target = Plane { start, row_len: output_value.stride };
            let extent = frame.extent(output);
            self.dispatch.run(Evaluate { extent, pieces: &pieces, activation: None, target, copy: None });
        }
        let room = Buffer::zeroed(batch * input_value.stride);
        let dx = Rows { start: room.shared(), stride: input_value.stride, batch };
        let x = rows(input_value, values[input], batch);
        let dlogits = Rows { start: dlogits.shared(), stride: output_value.stride, batch };
        let [weight, bias] = operation.parameters();
        let mut weight_gradient = weight.map(|i| std::mem::take(&mut self.gradients[i])).unwrap_or_default();
        let mut bias_gradient = bias.map(|i| std::mem::take(&mut self.gradients[i]));
        let Kind::Classifier(classifier) = &mut self.kernels[op].kind else {
            unreachable!("not a classifier")
        };
        let weight_values = weight.map_or(&[][..], |i| &self.parameters[i]);
        let gradients_of = (&mut weight_gradient[..], bias_gradient.as_deref_mut());
        let result = classifier.backward(&self.pool, weight_values, gradients_of, x, dlogits, dx);
        for (i, gradient) in [(weight, Some(weight_gradient)), (bias, bias_gradient)] {
            if let (Some(i), Some(gradient)) = (i, gradient) {
                self.gradients[i] = gradient;
            }
        }
        result?;
        let frame = self.frame(values, gradients);
        let Flow::Collect(contributions) = &self.plan.backward[step].inputs[0] else { return Ok(()) };
        for image in 0..batch {
            // SAFETY: `dx` has a row for every image.
            let start = unsafe { dx.start.at(image * dx.stride) };
            let own = Plane { start, row_len: dx.stride };
            frame.list_gradient(input, image, contributions, Some(own), &mut pieces);
            let (extent, target) = (frame.extent(input), frame.gradient(input, image));
            self.dispatch.run(Evaluate { extent, pieces: &pieces, activation: None, target, copy: None });
        }
        Ok(())
    }

    /// Turns the sums that a step has taken into the gradients of the batch norms before it.
    fn finish_norms_before(&mut self, step: usize, batch: usize) -> Result<(), EngineError> {
        let inputs = match &self.plan.steps[step] {
            Step::Evaluate(value) => slice::from_ref(value),
            Step::Operation { op, .. } => &self.graph.ops[*op].inputs[..],
        };
        for (&input, flow) in inputs.iter().zip(&self.plan.backward[step].inputs) {
            if !matches!(flow, Flow::Finish(_)) {
                continue;
            }
            for term in self.graph.values[input].as_sum().map_or(&[][..], |sum| &sum.terms) {
                let Map::Norm(place) = term.map else { continue };
                let norm = &self.graph.norms[place];
                let pixels = self.graph.values[input].shape.pixels();
                let [gamma_gradient, beta_gradient] =
                    self.gradients.get_disjoint_mut([norm.gamma, norm.beta]).expect("two parameters");
                let gamma = &self.parameters[norm.gamma];
                let Share { groups, peers } = &mut self.share;
                let sizes = (*groups, batch, pixels);
                let norm = &mut self.norms[place];
                norm.finish_backward(sizes, peers.as_mut(), gamma, gamma_gradient, beta_gradient)?;
            }
        }
        Ok(())
    }
}

/// One image of a stored gradient.
///
/// # Safety
/// Nobody else may use the image meanwhile.
unsafe fn whole_image<'a>(frame: &Frame<'a>, id: ValueId, image: usize) -> &'a mut [f32] {
    // SAFETY: the plan gives every stored gradient room for all images.
    unsafe { slice::from_raw_parts_mut(frame.gradient(id, image).start, frame.graph.values[id].image_len()) }
}
