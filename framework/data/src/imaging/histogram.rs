//! Changes that depend on how often each value occurs, channel by channel, as Pillow's `ImageOps` makes them.

use balpoe_core::components::Image;

use super::tone::map_channels;

const IDENTITY: fn(usize) -> u8 = |value| value as u8;

/// How often each value occurs in each channel.
fn histograms(image: &Image) -> [[u32; 256]; 3] {
    let mut counts = [[0; 256]; 3];
    for &[r, g, b] in image.pixels.as_chunks::<3>().0 {
        counts[0][usize::from(r)] += 1;
        counts[1][usize::from(g)] += 1;
        counts[2][usize::from(b)] += 1;
    }
    counts
}

/// Stretches the values of each channel to 0..=255.
pub fn autocontrast(image: Image) -> Image {
    let tables = histograms(&image).map(|counts| {
        let low = counts.iter().position(|&n| n > 0).unwrap_or(0);
        let high = counts.iter().rposition(|&n| n > 0).unwrap_or(0);
        if high <= low {
            return std::array::from_fn(IDENTITY);
        }
        let scale = 255.0 / (high - low) as f64;
        let offset = -(low as f64) * scale;
        std::array::from_fn(|value| (value as f64 * scale + offset).clamp(0.0, 255.0) as u8)
    });
    map_channels(image, &tables)
}

/// Makes the values of each channel equally frequent.
pub fn equalize(image: Image) -> Image {
    let tables = histograms(&image).map(|counts| {
        let pixels: u32 = counts.iter().sum();
        let used = counts.iter().filter(|&&n| n > 0).count();
        let last = counts.iter().rfind(|&&n| n > 0).copied().unwrap_or(0);
        let step = (pixels - last) / 255;
        if step == 0 || used <= 1 {
            return std::array::from_fn(IDENTITY);
        }
        let mut below = step / 2;
        counts.map(|n| {
            let value = (below / step).min(255) as u8;
            below += n;
            value
        })
    });
    map_channels(image, &tables)
}
