//! Colours in `[0, 1]`, and their hues.

/// Red, green and blue.
pub(super) type Colour = [f64; 3];

/// The colour of this hue (in turns), saturation and value.
pub(super) fn hsv(hue: f64, saturation: f64, value: f64) -> Colour {
    let hue = 6.0 * (hue - hue.floor());
    // How far each channel is from its peak: red at 0, green at 2, blue at 4 on the circle of 6.
    [0.0, 2.0, 4.0].map(|peak: f64| {
        let distance = (hue - peak).abs();
        let distance = distance.min(6.0 - distance);
        let strength = (2.0 - distance).clamp(0.0, 1.0);
        value * (1.0 - saturation * (1.0 - strength))
    })
}

/// From one colour (at 0) to another (at 1).
pub(super) fn blend(from: Colour, to: Colour, share: f64) -> Colour {
    std::array::from_fn(|c| from[c] + share * (to[c] - from[c]))
}
