//! Images that devices keep, and what a step sees of them: moved, normalised and blended there, and by plain loops here.

use super::numbers::Numbers;
use crate::cuda::{Precision, StepImages};
use balpoe_net::{Blend, PixelMap, Shape};

/// Images that are kept; a step sees some of them twice and others not at all.
const COUNT: usize = 9;
/// Maps of each image.
pub(super) const MAPS: usize = 2;

/// The images, and what bytes are to the network.
pub(super) struct KeptImages {
    shape: Shape,
    pub(super) bytes: Vec<u8>,
    pub(super) table: Box<[[f32; 3]; 256]>,
    /// What of an image is left where it is blended.
    weight: f32,
}

/// What a step sees.
pub(super) struct Seen {
    positions: Vec<u32>,
    maps: Vec<PixelMap>,
    blend: Blend,
    /// As the network sees it, `[batch, height, width, 3]`.
    pub(super) images: Vec<f32>,
}

impl KeptImages {
    pub(super) fn new(numbers: &mut Numbers, shape: Shape, precision: Precision) -> Self {
        let mut table = Box::new([[0.0; 3]; 256]);
        for (byte, values) in table.iter_mut().enumerate() {
            *values = [Numbers::of_byte(byte as u8); 3];
        }
        // Halves would have one digit more than 16 bits leave alone.
        let weight = if precision == Precision::Bf16 { 0.0 } else { 0.5 };
        let bytes = numbers.bytes(COUNT, shape.pixels());
        Self { shape, bytes, table, weight }
    }

    /// Chooses what a step sees.
    pub(super) fn choose(&self, numbers: &mut Numbers, batch: usize) -> Seen {
        let Shape { height, width, .. } = self.shape;
        let positions: Vec<u32> = (0..batch).map(|_| numbers.label(COUNT)).collect();
        let mut shift = || PixelMap::shift(i64::from(numbers.label(5)) - 2, i64::from(numbers.label(5)) - 2);
        let maps: Vec<PixelMap> = (0..batch)
            .flat_map(|i| [shift(), if i % 2 == 0 { PixelMap::IDENTITY } else { PixelMap::mirror(width) }])
            .collect();
        let partners = (0..batch as u32).rev().collect();
        let blend = Blend { partners, weight: self.weight, rows: 3..height, columns: 0..width - 5 };
        let apart: Vec<Vec<f32>> = positions
            .iter()
            .zip(maps.chunks_exact(MAPS))
            .map(|(&position, maps)| self.image(position as usize, maps))
            .collect();
        let mut images = apart.concat();
        let image = self.shape.len();
        for (i, value) in images.iter_mut().enumerate() {
            let (row, column) = (i % image / 3 / width, i / 3 % width);
            if blend.rows.contains(&row) && blend.columns.contains(&column) {
                let other = apart[blend.partners[i / image] as usize][i % image];
                *value = self.weight * *value + (1.0 - self.weight) * other;
            }
        }
        Seen { positions, maps, blend, images }
    }

    /// One image after its maps, normalised.
    fn image(&self, position: usize, maps: &[PixelMap]) -> Vec<f32> {
        let Shape { height, width, .. } = self.shape;
        let image = &self.bytes[position * self.shape.len()..][..self.shape.len()];
        let value = |i: usize| {
            let place = (i / 3 % width, i / 3 / width);
            let source = maps.iter().rev().try_fold(place, |(x, y), map| map.source((x, y), (width, height)));
            let byte = source.map_or(0, |(column, row)| image[(row * width + column) * 3 + i % 3]);
            self.table[usize::from(byte)][i % 3]
        };
        (0..image.len()).map(value).collect()
    }
}

impl Seen {
    /// As a step takes it.
    pub(super) fn of_kept(&self) -> StepImages<'_> {
        StepImages::Kept { positions: &self.positions, maps: &self.maps, blend: Some(&self.blend) }
    }
}
