//! The loss and how the host takes part in it.

use super::outline::LossShape;
use super::program::{Program, operands};
use super::rooms::Place;
use super::told::Told;
use crate::graph::Form;

/// Where the logits of all experts lie, one expert after the other, and what the loss makes of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct LossPlaces {
    logits: Place,
    gradient: Place,
    losses: Place,
    correct: Place,
}

impl Program<'_> {
    /// Takes room for the loss, and lets classifiers write where it reads.
    pub(super) fn prepare_loss(&mut self, loss: &LossShape) -> LossPlaces {
        let outline = self.outline;
        let (experts, images) = (loss.logits.len(), self.part.images);
        let places = LossPlaces {
            logits: self.float_room(experts * images * loss.classes),
            gradient: self.float_room(experts * images * loss.classes),
            losses: self.float_room(experts * images),
            correct: self.float_room(images),
        };
        for (expert, k) in loss.logits.clone().enumerate() {
            let value = outline.graph.outputs[k];
            if outline.is_head(value) {
                self.values[value].float = Some(places.logits.offset(self.bytes_before(loss, expert)));
            }
        }
        places
    }

    /// Bytes of the logits of the experts before one.
    fn bytes_before(&self, loss: &LossShape, expert: usize) -> usize {
        expert * self.part.images * loss.classes * size_of::<f32>()
    }

    /// Loss, its gradient, and correct predictions, added up over the devices. Gives the seeds of all outputs.
    pub(super) fn compute_loss(&mut self, loss: &LossShape, places: LossPlaces) -> Vec<Option<Place>> {
        let outline = self.outline;
        let (experts, images, classes) = (loss.logits.len(), self.part.images, loss.classes);
        let mut seeds = vec![None; outline.graph.outputs.len()];
        for (expert, k) in loss.logits.clone().enumerate() {
            let value = outline.graph.outputs[k];
            if !outline.is_head(value) {
                let logits = self.float_of(value);
                let target = places.logits.offset(self.bytes_before(loss, expert));
                if images > 0 {
                    self.copy(logits, target, images * classes * size_of::<f32>());
                }
            }
            seeds[k] = Some(places.gradient.offset(self.bytes_before(loss, expert)));
        }
        let LossPlaces { logits, gradient, losses, correct } = places;
        let slabs = self.slabs;
        let Told { first, second, lambda, smoothing, .. } = slabs.told;
        let [adjustments, first, second, lambda, smoothing, outcome] =
            [slabs.adjustments, first, second, lambda, smoothing, slabs.outcome].map(Place::Fixed);
        let terms = experts * self.part.batch;
        let operands = operands![
            logits,
            adjustments,
            first,
            second,
            lambda,
            smoothing,
            1.0 / terms as f32,
            gradient,
            losses,
            images as i32,
            classes as i32,
        ];
        self.launch_rows("logit_adjusted_cross_entropy", [images, experts], classes, operands);
        let sizes = [experts, images, classes].map(|size| size as i32);
        let operands = operands![logits, first, second, lambda, correct, sizes[0], sizes[1], sizes[2]];
        self.launch_rows("mixed_correct", [images, 1], classes, operands);
        if images == 0 {
            self.clear(outcome, 2 * size_of::<f64>());
        }
        let operands = operands![losses, correct, outcome, sizes[0], sizes[1], 1.0 / terms as f64];
        self.launch("step_outcome", [1; 3], [256, 1, 1], operands);
        if outline.replicas > 1 {
            self.sum_over_devices(outcome, 2);
        }
        seeds
    }

    /// Starts the gradients of outputs with seeds, `f32` each; `None` stands for zeros.
    pub(super) fn load_seeds(&mut self, seeds: &[Option<Place>]) {
        let outline = self.outline;
        for (&value, seed) in outline.graph.outputs.iter().zip(seeds) {
            let Some(seed) = *seed else { continue };
            if matches!(outline.graph.values[value].form, Form::Images) {
                continue;
            }
            if outline.is_head(value) {
                self.head_gradients[value] = Some(seed);
                continue;
            }
            let shape = self.shape(value);
            let seed = self.as_real(seed, self.part.images * shape.len());
            match self.gradients[value] {
                None => self.gradients[value] = Some(seed),
                Some(sum) => {
                    let pieces = [sum, seed].map(super::arguments::Piece::Copy);
                    self.sum_backward(&pieces, None, sum, shape);
                }
            }
        }
    }
}
