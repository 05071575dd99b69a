//! Linear and cosine classifiers: products of `f32` matrices over the whole part.

use super::program::{Program, operands};
use super::rooms::Place;
use crate::graph::ValueId;
use balpoe_net::{Op, ParameterId};

/// What a cosine classifier keeps for its backward pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cosine {
    unit: Place,
    norms: Place,
    unit_weight: Place,
    weight_norms: Place,
}

impl Program<'_> {
    /// The logits of an operation that is a classifier, into `logits`, `[images, classes]`.
    pub(super) fn classify(&mut self, op: usize, logits: Place) {
        let operation = &self.outline.graph.ops[op];
        let (input, images) = (operation.inputs[0], self.part.images);
        let [features, classes] = [input, operation.output].map(|value| self.shape(value).channels);
        match operation.op {
            Op::Linear { weight, bias } => {
                let x = self.float_of(input);
                let weight = self.weight(weight);
                self.multiply([x, weight, logits], [images, classes, features], [false, true], 1.0);
                if let Some(bias) = bias {
                    let bias = self.weight(bias);
                    let operands = operands![logits, bias, images as i32, classes as i32];
                    self.launch_elements("add_bias", images * classes, operands);
                }
            }
            Op::CosineLinear { weight, scale } => {
                let x = self.real_of(input);
                let weight = self.weight(weight);
                let cosine = Cosine {
                    unit: self.float_room(images * features),
                    norms: self.float_room(images),
                    unit_weight: self.float_room(features * classes),
                    weight_norms: self.float_room(classes),
                };
                let operands = operands![x, cosine.unit, cosine.norms, features as i32];
                self.launch_rows("unit_rows", [images, 1], features, operands);
                let operands = operands![
                    weight,
                    cosine.unit_weight,
                    cosine.weight_norms,
                    features as i32,
                    classes as i32
                ];
                self.launch_columns("unit_columns", classes, operands);
                let matrices = [cosine.unit, cosine.unit_weight, logits];
                self.multiply(matrices, [images, classes, features], [false; 2], scale);
                self.cosines[op] = Some(cosine);
            }
            _ => unreachable!("not a classifier"),
        }
    }

    /// The gradients of a classifier's parameters, and that of its input as feature maps are stored.
    pub(super) fn classifier_gradients(&mut self, op: usize, dlogits: Place) -> Place {
        let operation = &self.outline.graph.ops[op];
        let (input, images) = (operation.inputs[0], self.part.images);
        let [features, classes] = [input, operation.output].map(|value| self.shape(value).channels);
        match operation.op {
            Op::Linear { weight, bias } => {
                let x = self.float_of(input);
                let gradient = self.parameter_gradient(weight);
                self.multiply([dlogits, x, gradient], [classes, features, images], [true, false], 1.0);
                if let Some(bias) = bias {
                    let gradient = self.parameter_gradient(bias);
                    let operands = operands![dlogits, gradient, images as i32, classes as i32];
                    self.launch_columns("bias_gradient", classes, operands);
                }
                let dx = self.float_room(images * features);
                let weight = self.weight(weight);
                self.multiply([dlogits, weight, dx], [images, features, classes], [false; 2], 1.0);
                self.as_real(dx, images * features)
            }
            Op::CosineLinear { weight, scale } => {
                let Some(cosine) = self.cosines[op] else { unreachable!("backward follows forward") };
                self.cosine_gradients(input, weight, cosine, dlogits, [features, classes], scale)
            }
            _ => unreachable!("not a classifier"),
        }
    }

    fn cosine_gradients(
        &mut self,
        input: ValueId,
        weight: ParameterId,
        cosine: Cosine,
        dlogits: Place,
        [features, classes]: [usize; 2],
        scale: f32,
    ) -> Place {
        let images = self.part.images;
        let Cosine { unit, norms, unit_weight, weight_norms } = cosine;
        let sizes = [features as i32, classes as i32];
        let unit_gradient = self.float_room(images * features);
        let matrices = [dlogits, unit_weight, unit_gradient];
        self.multiply(matrices, [images, features, classes], [false, true], scale);
        let weight_gradient = self.float_room(features * classes);
        let matrices = [unit, dlogits, weight_gradient];
        self.multiply(matrices, [features, classes, images], [true, false], scale);
        let gradient = self.parameter_gradient(weight);
        let operands = operands![unit_weight, weight_gradient, weight_norms, gradient, sizes[0], sizes[1]];
        self.launch_columns("project_columns", classes, operands);
        let dx = self.map_room(self.shape(input));
        let operands = operands![unit, unit_gradient, norms, dx, sizes[0]];
        self.launch_rows("project_rows", [images, 1], features, operands);
        dx
    }

    /// A parameter.
    pub(super) fn weight(&self, parameter: ParameterId) -> Place {
        Self::slab(self.slabs.weights, self.outline.parameters.range(parameter.index()).start)
    }

    /// Its gradient.
    pub(super) fn parameter_gradient(&self, parameter: ParameterId) -> Place {
        Self::slab(self.slabs.gradients, self.outline.parameters.range(parameter.index()).start)
    }
}
