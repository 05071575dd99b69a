use super::{
    panels::{Direction, Panels},
    passes::{Accumulate, Correlate},
};
use crate::cpu::conv::algorithm::{Algorithm, images_in_cache};
use crate::cpu::conv::geometry::{self, Pass};
use crate::cpu::conv::product::widest_panel;
use crate::cpu::conv::{ConvShape, Halo};
use crate::cpu::simd::{Dispatch, round_up};

/// The direct algorithm: sums in the order in which the weights are stored, no transforms.
#[derive(Debug)]
pub(crate) struct Direct {
    shape: ConvShape,
    dispatch: Dispatch,
    input: Halo,
    gradient: Halo,
    forward: (Pass, Panels),
    /// One for each phase of the stride, each with where its weights begin.
    backward: Vec<(Pass, Panels, usize)>,
}

impl Direct {
    /// Plans a convolution.
    pub(crate) fn new(shape: &ConvShape, dispatch: Dispatch) -> Self {
        let widest = widest_panel(dispatch.registers());
        let (input, gradient) = (geometry::input_layout(shape), geometry::gradient_layout(shape));
        let pass = Pass::forward(shape);
        let panels = Panels::new(shape, Direction::Forward, &pass, &input, widest);
        let mut backward = Vec::new();
        let mut begin = 0;
        for pass in Pass::data_gradient(shape, &gradient) {
            let panels = Panels::new(shape, Direction::Transposed, &pass, &gradient, widest);
            let len = panels.packed_len;
            backward.push((pass, panels, begin));
            begin += len;
        }
        Self { shape: shape.clone(), dispatch, input, gradient, forward: (pass, panels), backward }
    }
}

impl Algorithm for Direct {
    fn name(&self) -> &'static str {
        "direct"
    }

    fn images_per_block(&self) -> usize {
        images_in_cache(&self.shape)
    }

    fn input_layout(&self) -> Halo {
        self.input
    }

    fn gradient_layout(&self) -> Halo {
        self.gradient
    }

    fn scratch_len(&self) -> usize {
        0
    }

    fn packed_len(&self) -> usize {
        self.forward.1.packed_len
    }

    fn packed_transposed_len(&self) -> usize {
        self.backward.iter().map(|(_, panels, _)| panels.packed_len).sum()
    }

    fn accumulator_len(&self) -> usize {
        self.packed_len()
    }

    fn pack(&self, weight: &[f32], packed: &mut [f32]) {
        let (pass, panels) = &self.forward;
        packed[..panels.packed_len].fill(0.0);
        panels.for_each_weight(&self.shape, Direction::Forward, pass, |to, from| packed[to] = weight[from]);
    }

    fn pack_transposed(&self, weight: &[f32], packed: &mut [f32]) {
        for (pass, panels, begin) in &self.backward {
            let packed = &mut packed[*begin..*begin + panels.packed_len];
            packed.fill(0.0);
            panels.for_each_weight(&self.shape, Direction::Transposed, pass, |to, from| {
                packed[to] = weight[from];
            });
        }
    }

    fn forward(&self, input: &[f32], images: usize, packed: &[f32], _: &mut [f32], output: &mut [f32]) {
        let (pass, panels) = &self.forward;
        self.dispatch.run(Correlate {
            pass,
            panels,
            images,
            source: input,
            source_layout: &self.input,
            weights: packed,
            target: output,
            target_extent: [self.shape.out_height, self.shape.out_width, round_up(self.shape.out_channels)],
        });
    }

    fn data_gradient(&self, dy: &[f32], images: usize, packed: &[f32], _: &mut [f32], dx: &mut [f32]) {
        for (pass, panels, begin) in &self.backward {
            self.dispatch.run(Correlate {
                pass,
                panels,
                images,
                source: dy,
                source_layout: &self.gradient,
                weights: &packed[*begin..],
                target: dx,
                target_extent: [self.shape.in_height, self.shape.in_width, round_up(self.shape.in_channels)],
            });
        }
    }

    fn weight_gradient(
        &self,
        input: &[f32],
        dy: &[f32],
        images: usize,
        _: &mut [f32],
        accumulator: &mut [f32],
    ) {
        let (pass, panels) = &self.forward;
        self.dispatch.run(Accumulate {
            pass,
            panels,
            images,
            source: input,
            source_layout: &self.input,
            gradient: dy,
            gradient_layout: &self.gradient,
            accumulator,
        });
    }

    fn finish_weight_gradient(&self, accumulator: &[f32], gradient: &mut [f32]) {
        let (pass, panels) = &self.forward;
        panels.for_each_weight(&self.shape, Direction::Forward, pass, |from, to| {
            gradient[to] = accumulator[from];
        });
    }
}
