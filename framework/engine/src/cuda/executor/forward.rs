//! The forward pass.

use super::arguments::{Piece, Pooling};
use super::program::{Program, operands};
use super::rooms::Place;
use crate::cuda::ConvolutionPass;
use crate::graph::{Map, Sum, ValueId};
use crate::schedule::Step;
use balpoe_net::{Activation, Op, Shape, Window};

impl Program<'_> {
    /// All steps, the images being there.
    pub(super) fn forward(&mut self) {
        let outline = self.outline;
        self.norms_of(0);
        for step in &outline.schedule.steps {
            let written = match step {
                Step::Evaluate(value) => {
                    self.evaluate(*value);
                    *value
                }
                Step::Operation { op, .. } => {
                    self.operate(*op);
                    outline.graph.ops[*op].output
                }
            };
            self.norms_of(written);
        }
    }

    fn evaluate(&mut self, value: ValueId) {
        let outline = self.outline;
        let Some(Sum { terms, activation }) = outline.graph.values[value].as_sum() else { return };
        let pieces: Vec<Piece> = terms
            .iter()
            .map(|term| {
                let x = self.real_of(term.source);
                match term.map {
                    Map::Identity => Piece::Copy(x),
                    Map::Norm(norm) => {
                        let norm = self.norms[norm].unwrap_or_else(|| unreachable!("its source is there"));
                        Piece::Affine { x, scale: norm.scale, shift: norm.shift }
                    }
                    Map::Subsample { stride, before } => {
                        Piece::Subsample { x, shape: self.shape(term.source), stride, before }
                    }
                }
            })
            .collect();
        let shape = self.shape(value);
        let out = self.map_room(shape);
        self.sum_forward(&pieces, out, shape, slope(*activation));
        self.values[value].real = Some(out);
    }

    fn operate(&mut self, op: usize) {
        let outline = self.outline;
        let operation = &outline.graph.ops[op];
        let output = operation.output;
        let (input, shape) = (self.shape(operation.inputs[0]), self.shape(output));
        if operation.is_classifier() {
            let logits = self.values[output].float;
            let logits = logits.unwrap_or_else(|| self.float_room(self.part.images * shape.len()));
            self.values[output].float = Some(logits);
            self.classify(op, logits);
            return;
        }
        let out = self.map_room(shape);
        match &operation.op {
            Op::Conv { weight, bias, .. } => {
                let x = self.real_of(operation.inputs[0]);
                let weight = self.real_slab(self.slabs.copies, weight.index());
                self.convolve(ConvolutionPass::Forward, op, x, weight, out);
                if let Some(bias) = bias {
                    let (bias, pixels) = (self.weight(*bias), self.part.images * shape.pixels());
                    let operands = operands![out, bias, pixels as i32, shape.channels as i32];
                    self.launch_elements("add_map_bias", pixels * shape.channels, operands);
                }
            }
            Op::MaxPool(window) => {
                let x = self.real_of(operation.inputs[0]);
                let winners = self.training.then(|| self.winners_room(shape, *window));
                self.winners[op] = winners;
                let images = self.part.images;
                let pooling = Pooling::new(images, input, shape, *window);
                let operands = operands![x, out, winners.unwrap_or(Place::NULL), pooling];
                let [kernel, _] = max_kernels(*window);
                self.launch_elements(kernel, images * shape.len(), operands);
            }
            Op::AveragePool(window) => self.average(operation.inputs[0], out, shape, *window),
            Op::GlobalAveragePool => self.average(operation.inputs[0], out, shape, whole(input)),
            Op::Concat => {
                let mut before = 0;
                let pieces = operation.inputs.iter().map(|&input| {
                    let (x, shape) = (self.real_of(input), self.shape(input));
                    let piece = Piece::Subsample { x, shape, stride: 1, before };
                    before += shape.channels;
                    piece
                });
                let pieces: Vec<Piece> = pieces.collect();
                self.sum_forward(&pieces, out, shape, 1.0);
            }
            _ => unreachable!("a classifier, or part of a sum"),
        }
        self.values[output].real = Some(out);
    }

    fn average(&mut self, input: ValueId, out: Place, shape: Shape, window: Window) {
        let x = self.real_of(input);
        let images = self.part.images;
        let pooling = Pooling::new(images, self.shape(input), shape, window);
        self.launch_elements("average_forward", images * shape.len(), operands![x, out, pooling]);
    }

    /// Room for the place of each largest value within its window.
    fn winners_room(&mut self, shape: Shape, window: Window) -> Place {
        let bytes = if is_large(window) { size_of::<i32>() } else { 1 };
        self.rooms.take(self.part.images * shape.len() * bytes)
    }
}

/// Whether places within a window need more than a byte.
fn is_large(window: Window) -> bool {
    window.kernel[0] * window.kernel[1] > 256
}

/// The kernels of a maximum over windows, forward and backward.
pub(super) fn max_kernels(window: Window) -> [&'static str; 2] {
    if is_large(window) {
        ["max_forward_large", "max_backward_large"]
    } else {
        ["max_forward", "max_backward"]
    }
}

/// The window of an average over all pixels.
pub(super) fn whole(input: Shape) -> Window {
    let sides = [input.height, input.width];
    Window { kernel: sides, stride: sides, padding: [0; 2] }
}

/// What an activation does below zero: 1 stands for none.
pub(super) fn slope(activation: Option<Activation>) -> f32 {
    match activation {
        None => 1.0,
        Some(Activation::Relu) => 0.0,
        Some(Activation::LeakyRelu { slope }) => slope,
    }
}
