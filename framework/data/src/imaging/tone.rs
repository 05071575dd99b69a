//! Changes of every value by itself.

use balpoe_core::components::Image;

/// Every value by a table.
pub(super) fn map(mut image: Image, table: &[u8; 256]) -> Image {
    image.pixels.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
    image
}

/// Every value by the table of its channel.
pub(super) fn map_channels(mut image: Image, tables: &[[u8; 256]; 3]) -> Image {
    for [r, g, b] in image.pixels.as_chunks_mut::<3>().0 {
        *r = tables[0][usize::from(*r)];
        *g = tables[1][usize::from(*g)];
        *b = tables[2][usize::from(*b)];
    }
    image
}

/// The negative.
pub fn invert(image: Image) -> Image {
    map(image, &std::array::from_fn(|value| 255 - value as u8))
}

/// Keeps the highest bits of every value, 0 to 8 of them.
pub fn posterize(image: Image, bits: u32) -> Image {
    let mask = 0xff_u8.checked_shl(8 - bits.min(8)).unwrap_or(0);
    map(image, &std::array::from_fn(|value| value as u8 & mask))
}

/// Inverts values that are not below the threshold.
pub fn solarize(image: Image, threshold: f64) -> Image {
    map(
        image,
        &std::array::from_fn(
            |value| {
                if (value as f64) < threshold { value as u8 } else { 255 - value as u8 }
            },
        ),
    )
}

/// Adds to values below 128, up to 255.
pub fn solarize_add(image: Image, amount: u8) -> Image {
    map(
        image,
        &std::array::from_fn(
            |value| {
                if value < 128 { (value as u8).saturating_add(amount) } else { value as u8 }
            },
        ),
    )
}
