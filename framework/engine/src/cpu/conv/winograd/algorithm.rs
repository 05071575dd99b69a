use super::passes::{Accumulate, Convolve, Tiles, TransformLayout};
use super::weights::{PackWeights, UnpackGradient, WeightLayout, WeightOrder};
use crate::cpu::conv::algorithm::{Algorithm, images_in_cache};
use crate::cpu::conv::product::widest_panel;
use crate::cpu::conv::{ConvShape, Halo};
use crate::cpu::simd::{Dispatch, round_up};

/// Winograd's algorithm for 3x3 kernels of stride 1 and padding 1.
#[derive(Debug)]
pub(crate) struct Winograd {
    shape: ConvShape,
    dispatch: Dispatch,
    tiles: Tiles,
    /// Tiles that are transformed at a time.
    batch: usize,
    images: usize,
    forward: WeightLayout,
    backward: WeightLayout,
}

impl Winograd {
    /// Whether it can compute a shape, and is likely faster than the direct algorithm: enough channels to pay for the
    /// transforms, not so many that transformed weights (four times as large) leave the caches, and not too much of the
    /// tiles outside the map.
    pub(crate) fn suits(shape: &ConvShape) -> bool {
        let tiles = Tiles::new(shape.in_height, shape.in_width);
        shape.kernel == [3, 3]
            && shape.stride == [1, 1]
            && shape.padding == [1, 1]
            && shape.groups == 1
            && shape.in_channels.min(shape.out_channels) >= 8
            && shape.in_channels * shape.out_channels <= 256 * 256
            && 2 * shape.in_height * shape.in_width >= tiles.per_image() * 16
    }

    /// Plans a convolution that it suits.
    pub(crate) fn new(shape: &ConvShape, dispatch: Dispatch) -> Self {
        let width = widest_panel(dispatch.registers());
        let layout = |sources, targets| WeightLayout { sources, targets, width };
        let tiles = Tiles::new(shape.in_height, shape.in_width);
        // The more tiles at a time, the fewer times the transformed weights are read; the fewer, the likelier the
        // transformed tiles stay in the caches. Weights of many channels come from the third level and dominate.
        // Measured on the shapes of ResNet-32 and ResNet-50.
        let channels = round_up(shape.in_channels.max(shape.out_channels));
        let wanted = if channels <= 64 { 1024 / channels } else { 64 };
        let images = images_in_cache(shape).max(wanted.div_ceil(tiles.per_image()));
        let batch = wanted.min(tiles.per_image() * images);
        Self {
            shape: shape.clone(),
            dispatch,
            tiles,
            batch,
            images,
            forward: layout(shape.in_channels, shape.out_channels),
            backward: layout(shape.out_channels, shape.in_channels),
        }
    }

    fn layout(&self, channels: usize) -> Halo {
        Halo {
            top: 1,
            left: 1,
            rows: 4 * self.tiles.rows + 2,
            columns: 4 * self.tiles.columns + 2,
            channels: round_up(channels),
        }
    }

    fn forward_order(&self) -> WeightOrder {
        WeightOrder { target: 9 * self.shape.in_channels, source: 9, turned: false }
    }

    fn backward_order(&self) -> WeightOrder {
        WeightOrder { target: 9, source: 9 * self.shape.in_channels, turned: true }
    }

    fn convolve<'a>(
        &'a self,
        (source, source_layout): (&'a [f32], &'a Halo),
        images: usize,
        (weights, weight_layout): (&'a [f32], WeightLayout),
        scratch: &'a mut [f32],
        target: &'a mut [f32],
    ) {
        self.dispatch.run(Convolve {
            tiles: self.tiles,
            images,
            batch: self.batch,
            source,
            source_layout,
            weights,
            weight_layout,
            scratch,
            target,
            target_extent: [self.shape.in_height, self.shape.in_width],
        });
    }
}

impl Algorithm for Winograd {
    fn name(&self) -> &'static str {
        "winograd"
    }

    fn multiply_adds(&self, shape: &ConvShape) -> usize {
        self.tiles.per_image() * 36 * shape.in_channels * shape.out_channels
    }

    fn images_per_block(&self) -> usize {
        self.images
    }

    fn input_layout(&self) -> Halo {
        self.layout(self.shape.in_channels)
    }

    fn gradient_layout(&self) -> Halo {
        self.layout(self.shape.out_channels)
    }

    fn scratch_len(&self) -> usize {
        let transformed =
            |channels| TransformLayout { tiles: self.batch, channels: round_up(channels) }.len();
        transformed(self.shape.in_channels) + transformed(self.shape.out_channels)
    }

    fn packed_len(&self) -> usize {
        self.forward.len()
    }

    fn packed_transposed_len(&self) -> usize {
        self.backward.len()
    }

    fn accumulator_len(&self) -> usize {
        self.forward.len()
    }

    fn pack(&self, weight: &[f32], packed: &mut [f32]) {
        let (layout, order) = (self.forward, self.forward_order());
        self.dispatch.run(PackWeights { layout, order, weight, packed });
    }

    fn pack_transposed(&self, weight: &[f32], packed: &mut [f32]) {
        let (layout, order) = (self.backward, self.backward_order());
        self.dispatch.run(PackWeights { layout, order, weight, packed });
    }

    fn forward(&self, input: &[f32], images: usize, packed: &[f32], scratch: &mut [f32], output: &mut [f32]) {
        self.convolve((input, &self.input_layout()), images, (packed, self.forward), scratch, output);
    }

    fn data_gradient(&self, dy: &[f32], images: usize, packed: &[f32], scratch: &mut [f32], dx: &mut [f32]) {
        self.convolve((dy, &self.gradient_layout()), images, (packed, self.backward), scratch, dx);
    }

    fn weight_gradient(
        &self,
        input: &[f32],
        dy: &[f32],
        images: usize,
        scratch: &mut [f32],
        accumulator: &mut [f32],
    ) {
        self.dispatch.run(Accumulate {
            tiles: self.tiles,
            images,
            batch: self.batch,
            input,
            input_layout: &self.input_layout(),
            gradient: dy,
            gradient_layout: &self.gradient_layout(),
            scratch,
            weight_layout: self.forward,
            sums: accumulator,
        });
    }

    fn finish_weight_gradient(&self, accumulator: &[f32], gradient: &mut [f32]) {
        let (layout, order) = (self.forward, self.forward_order());
        self.dispatch.run(UnpackGradient { layout, order, sums: accumulator, gradient });
    }
}
