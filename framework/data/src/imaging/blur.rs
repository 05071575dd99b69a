//! Gaussian blur.

use balpoe_core::components::Image;

/// Convolves with a Gaussian of standard deviation `sigma` pixels, cut off at `kernel` pixels (an odd number) and mirrored at the
/// edges without repeating them, rounded to the nearest value, as torchvision's `GaussianBlur` does.
pub fn gaussian_blur(image: &Image, kernel: usize, sigma: f32) -> Image {
    let radius = kernel / 2;
    let weights: Vec<f32> =
        (0..=2 * radius).map(|i| (-0.5 * ((i as f32 - radius as f32) / sigma).powi(2)).exp()).collect();
    let sum: f32 = weights.iter().sum();
    let weights: Vec<f32> = weights.into_iter().map(|w| w / sum).collect();

    let (height, width) = (image.height, image.width);
    let source: Vec<f32> = image.pixels.iter().map(|&v| f32::from(v)).collect();
    // Down the columns, whole rows at a time; then along the rows.
    let row = width * 3;
    let mut columns = vec![0.0_f32; source.len()];
    for (y, target) in columns.chunks_exact_mut(row.max(1)).enumerate() {
        for (tap, &weight) in weights.iter().enumerate() {
            let from = &source[mirrored(y + tap, radius, height) * row..][..row];
            target.iter_mut().zip(from).for_each(|(t, &s)| *t += weight * s);
        }
    }
    let mut blurred = Image::black(height, width);
    for (target, from) in blurred.pixels.chunks_exact_mut(row.max(1)).zip(columns.chunks_exact(row.max(1))) {
        let mut sums = vec![0.0_f32; row];
        for (tap, &weight) in weights.iter().enumerate() {
            for (x, sum) in sums.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let at = mirrored(x + tap, radius, width) * 3;
                (0..3).for_each(|channel| sum[channel] += weight * from[at + channel]);
            }
        }
        target.iter_mut().zip(sums).for_each(|(t, s)| *t = s.round_ties_even().clamp(0.0, 255.0) as u8);
    }
    blurred
}

/// The place `at - radius` of a line of this length that goes on as its mirror image.
fn mirrored(at: usize, radius: usize, length: usize) -> usize {
    if length < 2 {
        return 0;
    }
    let period = 2 * (length - 1);
    let place = (at as isize - radius as isize).rem_euclid(period as isize) as usize;
    place.min(period - place)
}
