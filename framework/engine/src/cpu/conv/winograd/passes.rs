use super::transforms::{Square, gradient_tile, input_tile, output_tile};
use super::weights::WeightLayout;
use crate::cpu::conv::Halo;
use crate::cpu::conv::product::{Grid, Outer, Pitch, Product, Repeat, Run};
use crate::cpu::simd::{Kernel, LANES, Simd, round_up};

/// Positions of a transformed tile.
const POSITIONS: usize = 36;

/// The tiles of a block of images, counted through images, rows and columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Tiles {
    /// Tiles of a map, the last of a row or column perhaps partly outside.
    pub(super) fn new(height: usize, width: usize) -> Self {
        Self { rows: height.div_ceil(4), columns: width.div_ceil(4) }
    }

    /// Tiles of one image.
    pub(super) fn per_image(self) -> usize {
        self.rows * self.columns
    }

    /// Image and first row and column of pixels.
    #[inline(always)]
    fn place(self, tile: usize) -> [usize; 3] {
        let (image, within) = (tile / self.per_image(), tile % self.per_image());
        [image, within / self.columns * 4, within % self.columns * 4]
    }
}

/// Transformed tiles in scratch memory: `[position][tile][channel]`, with a gap after each position so that the 36 streams
/// of a transform do not meet in the same cache sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct TransformLayout {
    /// Tiles that are transformed at a time.
    pub(super) tiles: usize,
    pub(super) channels: usize,
}

impl TransformLayout {
    fn position_len(self) -> usize {
        self.tiles * self.channels + LANES
    }

    /// Values of all positions.
    pub(super) fn len(self) -> usize {
        POSITIONS * self.position_len()
    }

    fn place(self, tile: usize, channel: usize) -> usize {
        tile * self.channels + channel
    }
}

/// A forward convolution, or a data gradient with turned and transposed weights.
pub(super) struct Convolve<'a> {
    pub(super) tiles: Tiles,
    pub(super) images: usize,
    /// Tiles that are transformed at a time.
    pub(super) batch: usize,
    pub(super) source: &'a [f32],
    pub(super) source_layout: &'a Halo,
    pub(super) weights: &'a [f32],
    pub(super) weight_layout: WeightLayout,
    pub(super) scratch: &'a mut [f32],
    pub(super) target: &'a mut [f32],
    /// Rows and columns of a target image.
    pub(super) target_extent: [usize; 2],
}

impl Kernel for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let transformed =
            TransformLayout { tiles: self.batch, channels: round_up(self.weight_layout.sources) };
        let products = TransformLayout { tiles: self.batch, channels: round_up(self.weight_layout.targets) };
        let (v, m) = self.scratch[..transformed.len() + products.len()].split_at_mut(transformed.len());
        let total = self.images * self.tiles.per_image();
        for first in (0..total).step_by(self.batch) {
            let count = self.batch.min(total - first);
            simd.vectorize(TransformTiles {
                tiles: self.tiles,
                range: (first, count),
                source: self.source,
                halo: self.source_layout,
                origin: [0, 0],
                layout: transformed,
                target: v,
                gradient: false,
            });
            multiply(simd, count, (self.weight_layout, self.weights), (transformed, v), (products, m));
            simd.vectorize(TransformBack {
                tiles: self.tiles,
                range: (first, count),
                layout: products,
                source: m,
                extent: self.target_extent,
                target: self.target,
            });
        }
    }
}

/// The products of all positions: tiles by source channels times source by target channels.
#[inline(always)]
fn multiply<S: Simd>(
    simd: S,
    count: usize,
    (layout, weights): (WeightLayout, &[f32]),
    (transformed, v): (TransformLayout, &[f32]),
    (products, m): (TransformLayout, &mut [f32]),
) {
    let runs = &[Run { offset: 0, length: layout.sources }];
    let grid = row_of_tiles(count, transformed.channels, products.channels);
    let positions = Repeat {
        count: POSITIONS,
        source: transformed.position_len(),
        weights: layout.position_len(),
        target: products.position_len(),
    };
    assert!(v.len() >= transformed.len() && m.len() >= products.len() && weights.len() >= layout.len());
    for group in layout.panel_groups() {
        let repeats = [positions, layout.repeat(&group)];
        let (source, weights) = (v.as_ptr(), weights[layout.panel(group.first)..].as_ptr());
        let target = m[group.first * LANES..].as_mut_ptr();
        // SAFETY: asserted for all positions and panels.
        unsafe {
            match group.width {
                1 => Product::<1> { repeats, grid, runs, source, weights, target }.write(simd),
                _ => Product::<2> { repeats, grid, runs, source, weights, target }.write(simd),
            }
        }
    }
}

fn row_of_tiles(count: usize, source: usize, target: usize) -> Grid {
    let pitch = |channels: usize| Pitch { pixel: channels, row: 0, image: 0 };
    Grid { images: 1, rows: 1, columns: count, source: pitch(source), target: pitch(target) }
}

/// Transforms tiles of a halo'd map: 6x6 pixels of an input, or 4x4 of an output's gradient.
struct TransformTiles<'a> {
    tiles: Tiles,
    /// First tile and count.
    range: (usize, usize),
    source: &'a [f32],
    halo: &'a Halo,
    /// Row and column of the first tile's first pixel.
    origin: [usize; 2],
    layout: TransformLayout,
    target: &'a mut [f32],
    gradient: bool,
}

impl Kernel for TransformTiles<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (halo, position) = (self.halo, self.layout.position_len());
        for tile in 0..self.range.1 {
            let [image, row, column] = self.tiles.place(self.range.0 + tile);
            let place = image * halo.image_len()
                + (self.origin[0] + row) * halo.row_len()
                + (self.origin[1] + column) * halo.channels;
            for channel in (0..self.layout.channels).step_by(LANES) {
                let source = self.source[place + channel..].as_ptr();
                let target = self.target[self.layout.place(tile, channel)..].as_mut_ptr();
                let source = Square { first: source, row: halo.row_len(), column: halo.channels };
                let target = Square { first: target, row: 6 * position, column: position };
                // SAFETY: the halo reaches to the end of the last tile; the scratch has all positions of the batch.
                unsafe {
                    if self.gradient {
                        gradient_tile(simd, source, target);
                    } else {
                        input_tile(simd, source, target);
                    }
                }
            }
        }
    }
}

/// Transforms products to outputs; what a tile has outside the map is dropped.
struct TransformBack<'a> {
    tiles: Tiles,
    range: (usize, usize),
    layout: TransformLayout,
    source: &'a [f32],
    extent: [usize; 2],
    target: &'a mut [f32],
}

impl Kernel for TransformBack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let position = self.layout.position_len();
        let [height, width] = self.extent;
        let channels = self.layout.channels;
        for tile in 0..self.range.1 {
            let [image, row, column] = self.tiles.place(self.range.0 + tile);
            let place = ((image * height + row) * width + column) * channels;
            let (rows, columns) = ((height - row).min(4), (width - column).min(4));
            for channel in (0..channels).step_by(LANES) {
                let source = self.source[self.layout.place(tile, channel)..].as_ptr();
                let source = Square { first: source, row: 6 * position, column: position };
                let target = &mut self.target[place + channel..];
                if rows == 4 && columns == 4 {
                    let target =
                        Square { first: target.as_mut_ptr(), row: width * channels, column: channels };
                    // SAFETY: the whole tile is inside the map.
                    unsafe { output_tile(simd, source, target) }
                } else {
                    let mut whole = [[[0.0; LANES]; 4]; 4];
                    let to = Square { first: whole.as_mut_ptr().cast(), row: 4 * LANES, column: LANES };
                    // SAFETY: the target is the array of sixteen vectors.
                    unsafe { output_tile(simd, source, to) }
                    for (row, values) in whole.iter().enumerate().take(rows) {
                        for (column, values) in values.iter().enumerate().take(columns) {
                            target[(row * width + column) * channels..][..LANES].copy_from_slice(values);
                        }
                    }
                }
            }
        }
    }
}

/// The gradient of a weight in the transformed domain.
pub(super) struct Accumulate<'a> {
    pub(super) tiles: Tiles,
    pub(super) images: usize,
    /// Tiles that are transformed at a time.
    pub(super) batch: usize,
    pub(super) input: &'a [f32],
    pub(super) input_layout: &'a Halo,
    pub(super) gradient: &'a [f32],
    pub(super) gradient_layout: &'a Halo,
    pub(super) scratch: &'a mut [f32],
    pub(super) weight_layout: WeightLayout,
    pub(super) sums: &'a mut [f32],
}

impl Kernel for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let inputs = TransformLayout { tiles: self.batch, channels: round_up(self.weight_layout.sources) };
        let gradients = TransformLayout { tiles: self.batch, channels: round_up(self.weight_layout.targets) };
        let (v, d) = self.scratch[..inputs.len() + gradients.len()].split_at_mut(inputs.len());
        let weights = self.weight_layout;
        let runs = &[Run { offset: 0, length: weights.sources }];
        let total = self.images * self.tiles.per_image();
        for first in (0..total).step_by(self.batch) {
            let count = self.batch.min(total - first);
            simd.vectorize(TransformTiles {
                tiles: self.tiles,
                range: (first, count),
                source: self.input,
                halo: self.input_layout,
                origin: [0, 0],
                layout: inputs,
                target: v,
                gradient: false,
            });
            simd.vectorize(TransformTiles {
                tiles: self.tiles,
                range: (first, count),
                source: self.gradient,
                halo: self.gradient_layout,
                origin: [1, 1],
                layout: gradients,
                target: d,
                gradient: true,
            });
            let grid = row_of_tiles(count, inputs.channels, gradients.channels);
            let positions = Repeat {
                count: POSITIONS,
                source: inputs.position_len(),
                weights: weights.position_len(),
                target: gradients.position_len(),
            };
            assert!(self.sums.len() >= weights.len());
            for group in weights.panel_groups() {
                let repeats = [positions, weights.repeat(&group)];
                let (source, vectors) = (v.as_ptr(), d[group.first * LANES..].as_ptr());
                let sums = self.sums[weights.panel(group.first)..].as_mut_ptr();
                // SAFETY: the lengths of all three were asserted or are those of the layouts.
                unsafe {
                    match group.width {
                        1 => Outer::<1> { repeats, grid, runs, source, vectors, sums }.add(simd),
                        _ => Outer::<2> { repeats, grid, runs, source, vectors, sums }.add(simd),
                    }
                }
            }
        }
    }
}
