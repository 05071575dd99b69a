//! The backward pass.

use super::arguments::{Piece, Pooling};
use super::forward::{max_kernels, slope, whole};
use super::program::{Program, operands};
use super::rooms::Place;
use crate::cuda::{Command, ConvolutionPass, Number, Storage};
use crate::graph::{Map, ValueId};
use crate::schedule::{Contribution, Flow, Step};
use balpoe_net::{Op, ParameterId};
use std::ops::Range;

impl Program<'_> {
    /// All steps in reverse, the gradients of outputs being there. Leaves the gradients of all parameters behind, handed over to
    /// the other devices as they become complete, and summed.
    pub(super) fn backward(&mut self) {
        let outline = self.outline;
        let parameters = &outline.parameters;
        // An empty part adds nothing to any gradient.
        let cleared = if self.part.images == 0 { 0..parameters.len() } else { parameters.unused.clone() };
        self.clear_gradients(cleared);
        for (step, flows) in outline.schedule.steps.iter().zip(&outline.schedule.backward) {
            let Step::Operation { op, .. } = step else { continue };
            for (&input, flow) in outline.graph.ops[*op].inputs.iter().zip(&flows.inputs) {
                self.collections[input] += usize::from(matches!(flow, Flow::Collect(_)));
            }
        }
        let steps = outline.schedule.steps.iter().zip(&outline.schedule.backward).enumerate().rev();
        for (index, (step, flows)) in steps {
            match step {
                Step::Evaluate(value) => {
                    if let [Flow::Finish(contributions)] = &flows.inputs[..] {
                        self.finish(*value, contributions);
                    }
                }
                Step::Operation { op, .. } => self.operate_back(*op, &flows.output, &flows.inputs),
            }
            self.finish_bucket(index);
        }
        if outline.replicas > 1 {
            self.commands.push(Command::EndSums);
        }
    }

    fn clear_gradients(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.clear(Self::slab(self.slabs.gradients, range.start), range.len() * size_of::<f32>());
        }
    }

    /// Converts the gradients that a step has completed, and begins their sum over the devices.
    fn finish_bucket(&mut self, step: usize) {
        let outline = self.outline;
        let Some(bucket) = outline.parameters.buckets.iter().find(|bucket| bucket.step == step) else {
            return;
        };
        let Range { start, end } = bucket.convolutions;
        if outline.storage == Storage::Bf16 && start < end {
            let rough = Place::Fixed(self.slabs.rough.offset(start * outline.value_size()));
            let gradients = Self::slab(self.slabs.gradients, start);
            self.launch_elements("to_float", end - start, operands![rough, gradients, (end - start) as i64]);
        }
        if outline.replicas > 1 {
            let (start, len) = (bucket.all.start, bucket.all.len());
            let address = self.address(Self::slab(self.slabs.gradients, start));
            self.commands.push(Command::BeginSum { address, len, number: Number::Single });
        }
    }

    /// What is known of the gradient of a value.
    fn pieces(&mut self, value: ValueId, contributions: &[Contribution]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for contribution in contributions {
            match *contribution {
                Contribution::Collected => {
                    pieces.extend(self.gradients[value].map(Piece::Copy));
                    pieces.append(&mut self.pending[value]);
                }
                Contribution::Through(sum, map) => {
                    pieces.extend(self.gradients[sum].map(|g| self.piece(value, sum, map, g)));
                }
            }
        }
        pieces
    }

    /// The gradient `g` of a sum, taken back through the map of one of its terms.
    fn piece(&self, value: ValueId, sum: ValueId, map: Map, g: Place) -> Piece {
        match map {
            Map::Identity => Piece::Copy(g),
            Map::Norm(norm) => {
                let (Some(norm), Some(x)) = (self.norms[norm], self.values[value].real) else {
                    unreachable!("the forward pass normalised it")
                };
                Piece::Normalised { g, x, coefficients: norm.coefficients }
            }
            Map::Subsample { stride, before } => Piece::Spread { g, shape: self.shape(sum), stride, before },
        }
    }

    /// Where a sum of gradients is formed: in the place of what was collected, or else a new one.
    fn target(&mut self, value: ValueId, contributions: &[Contribution]) -> Place {
        let collected = contributions.contains(&Contribution::Collected);
        let collected = self.gradients[value].filter(|_| collected);
        collected.unwrap_or_else(|| self.map_room(self.shape(value)))
    }

    /// The gradient of a sum's terms: its own, taken back through its activation.
    fn finish(&mut self, value: ValueId, contributions: &[Contribution]) {
        let activation = self.outline.graph.values[value].as_sum().and_then(|sum| sum.activation);
        let (pieces, shape) = (self.pieces(value, contributions), self.shape(value));
        let mut chunks = None;
        self.gradients[value] = match (&pieces[..], activation) {
            ([], _) => None,
            ([Piece::Copy(g)], None) => Some(*g),
            _ => {
                let out = self.target(value, contributions);
                let activation = activation.map(|a| (self.real_of(value), slope(Some(a))));
                if let Some(norm) = self.first_norm(value) {
                    chunks = Some(self.sum_backward_moments(&pieces, activation, out, shape, norm));
                } else {
                    self.sum_backward(&pieces, activation, out, shape);
                }
                Some(out)
            }
        };
        self.norm_gradients(value, chunks);
    }

    /// The gradient of an operation's output: in `f32` for a classifier's.
    fn operation_gradient(&mut self, op: usize, contributions: &[Contribution]) -> Option<Place> {
        let outline = self.outline;
        let operation = &outline.graph.ops[op];
        let output = operation.output;
        if outline.is_head(output) {
            return self.head_gradients[output];
        }
        let gradient = self.output_gradient(output, contributions);
        if operation.is_classifier() {
            let len = self.part.images * self.shape(output).len();
            return gradient.map(|real| self.as_float(real, len));
        }
        gradient
    }

    fn output_gradient(&mut self, value: ValueId, contributions: &[Contribution]) -> Option<Place> {
        let pieces = self.pieces(value, contributions);
        match &pieces[..] {
            [] => None,
            [Piece::Copy(g)] => Some(*g),
            _ => {
                let out = self.target(value, contributions);
                self.sum_backward(&pieces, None, out, self.shape(value));
                Some(out)
            }
        }
    }

    /// Adds what is known by now, and an operation's part `own`, to the gradient of its input. The last time, everything is left
    /// in pieces for whoever needs all of it, which adds them up in the same pass.
    fn collect(&mut self, value: ValueId, contributions: &[Contribution], own: Option<Place>) {
        let collected = self.gradients[value].filter(|_| contributions.contains(&Contribution::Collected));
        let mut pieces = self.pieces(value, contributions);
        pieces.extend(own.map(Piece::Copy));
        self.collections[value] -= 1;
        // Nobody else reads it, so that the sum may be formed there.
        let base = collected.or(own);
        match (&pieces[..], base) {
            ([], _) => {}
            ([_], Some(base)) => self.gradients[value] = Some(base),
            (_, Some(base)) if self.collections[value] == 0 => {
                pieces.retain(|piece| *piece != Piece::Copy(base));
                self.gradients[value] = Some(base);
                self.pending[value] = pieces;
            }
            _ => {
                let out = base.unwrap_or_else(|| self.map_room(self.shape(value)));
                self.sum_backward(&pieces, None, out, self.shape(value));
                self.gradients[value] = Some(out);
            }
        }
    }

    fn operate_back(&mut self, op: usize, output: &[Contribution], inputs: &[Flow]) {
        let outline = self.outline;
        let operation = &outline.graph.ops[op];
        let dy = self.operation_gradient(op, output);
        match dy {
            Some(dy) => self.parameter_gradients(op, dy),
            None => {
                for parameter in operation.parameters().into_iter().flatten() {
                    self.clear_parameter_gradient(parameter);
                }
            }
        }
        if operation.is_classifier() {
            let own = dy.map(|dy| self.classifier_gradients(op, dy));
            if let [Flow::Collect(contributions)] = inputs {
                self.collect(operation.inputs[0], contributions, own);
            }
            return;
        }
        for (place, (&input, flow)) in operation.inputs.iter().zip(inputs).enumerate() {
            if let Flow::Collect(contributions) = flow {
                let own = dy.map(|dy| self.input_gradient(op, place, dy));
                self.collect(input, contributions, own);
            }
        }
    }

    fn clear_parameter_gradient(&mut self, parameter: usize) {
        let outline = self.outline;
        let range = outline.parameters.range(parameter);
        if outline.parameters.is_convolution(parameter) {
            // It is converted with the others of its bucket.
            self.clear(self.real_slab(self.slabs.rough, parameter), range.len() * outline.value_size());
        } else {
            self.clear_gradients(range);
        }
    }

    /// The gradients of a convolution's parameters.
    fn parameter_gradients(&mut self, op: usize, dy: Place) {
        let outline = self.outline;
        let operation = &outline.graph.ops[op];
        let Op::Conv { weight, bias, .. } = &operation.op else { return };
        let x = self.real_of(operation.inputs[0]);
        let gradient = self.real_slab(self.slabs.rough, weight.index());
        self.convolve(ConvolutionPass::Weight, op, x, gradient, dy);
        if let Some(bias) = bias {
            self.map_bias_gradient(operation.output, *bias, dy);
        }
    }

    fn map_bias_gradient(&mut self, output: ValueId, bias: ParameterId, dy: Place) {
        let shape = self.shape(output);
        let sums = self.map_sums(dy, shape);
        let gradient = self.parameter_gradient(bias);
        let operands = operands![sums, gradient, shape.channels as i32];
        self.launch_channels("map_bias_gradient", shape.channels, operands);
    }

    /// An operation's part of the gradient of its input at a place of its list.
    fn input_gradient(&mut self, op: usize, place: usize, dy: Place) -> Place {
        let outline = self.outline;
        let operation = &outline.graph.ops[op];
        let (input, output) = (operation.inputs[place], operation.output);
        let (from, to) = (self.shape(input), self.shape(output));
        let images = self.part.images;
        let dx = self.map_room(from);
        let len = images * from.len();
        match &operation.op {
            Op::Conv { weight, .. } => {
                let weight = self.real_slab(self.slabs.copies, weight.index());
                self.convolve(ConvolutionPass::Input, op, dx, weight, dy);
            }
            Op::MaxPool(window) => {
                let Some(winners) = self.winners[op] else { unreachable!("backward follows forward") };
                let pooling = Pooling::new(images, from, to, *window);
                let [_, kernel] = max_kernels(*window);
                self.launch_elements(kernel, len, operands![winners, dy, dx, pooling]);
            }
            Op::AveragePool(window) => {
                let pooling = Pooling::new(images, from, to, *window);
                self.launch_elements("average_backward", len, operands![dy, dx, pooling]);
            }
            Op::GlobalAveragePool => {
                let pooling = Pooling::new(images, from, to, whole(from));
                self.launch_elements("average_backward", len, operands![dy, dx, pooling]);
            }
            Op::Concat => {
                let before = operation.inputs[..place].iter().map(|&input| self.shape(input).channels).sum();
                let piece = Piece::Spread { g: dy, shape: to, stride: 1, before };
                self.sum_backward(&[piece], None, dx, from);
            }
            _ => unreachable!("a classifier, or part of a sum"),
        }
        dx
    }
}
