//! What changes from image to image of a class, and the drawing of it.

use balpoe_core::random::Stream;

use super::appearance::Appearance;
use super::colour::{Colour, blend, hsv};

/// Points a pixel is sampled at, along each side.
const SAMPLES: usize = 2;

/// Standard deviation of an object's hue about its class's, in turns. Neighbours in a family are 1/40 apart.
const HUE_SPREAD: f64 = 0.03;

/// Bars of clutter behind the object.
const CLUTTER: usize = 3;

/// Draws an image of a class, `[size, size, 3]`.
pub(super) fn draw(appearance: Appearance, size: usize, stream: &mut Stream) -> Vec<u8> {
    let object = Object::new(appearance, stream);
    let ground = Ground::new(stream);
    let light = Light::new(stream);
    let step = 2.0 / (size * SAMPLES) as f64;
    let place = |pixel: usize, sample: usize| ((pixel * SAMPLES + sample) as f64 + 0.5) * step - 1.0;
    let mut pixels = Vec::with_capacity(size * size * 3);
    for (row, column) in (0..size).flat_map(|row| (0..size).map(move |column| (row, column))) {
        let mut sum = [0.0; 3];
        for (below, right) in (0..SAMPLES).flat_map(|below| (0..SAMPLES).map(move |right| (below, right))) {
            let (x, y) = (place(column, right), place(row, below));
            let colour = object.colour(x, y).unwrap_or_else(|| ground.colour(x, y));
            sum = std::array::from_fn(|c| sum[c] + colour[c] * light.at(x, y));
        }
        for channel in sum {
            let value = channel / (SAMPLES * SAMPLES) as f64 + light.noise * bell(stream);
            pixels.push((255.0 * value.clamp(0.0, 1.0) + 0.5) as u8);
        }
    }
    pixels
}

/// The object that decides the class, somewhere in an image that spans `[-1, 1]` both ways.
struct Object {
    appearance: Appearance,
    frame: Frame,
    radius: f64,
    /// Shift of the texture.
    phase: (f64, f64),
    tones: [Colour; 2],
}

impl Object {
    fn new(appearance: Appearance, stream: &mut Stream) -> Self {
        let hue = appearance.hue + HUE_SPREAD * bell(stream);
        let (saturation, value) = (stream.uniform(0.45, 0.95), stream.uniform(0.55, 1.0));
        let second = hsv(hue, saturation * stream.uniform(0.2, 0.8), value * stream.uniform(0.2, 0.5));
        Self {
            appearance,
            frame: Frame::new(0.3, 0.2, stream),
            radius: stream.uniform(0.5, 0.85),
            phase: (stream.unit(), stream.unit()),
            tones: [hsv(hue, saturation, value), second],
        }
    }

    fn colour(&self, x: f64, y: f64) -> Option<Colour> {
        let (u, v) = self.frame.see(x, y);
        let (u, v) = (u / self.radius, v / self.radius);
        let tone = usize::from(self.appearance.second_tone(u, v, self.phase));
        self.appearance.covers(u, v).then_some(self.tones[tone])
    }
}

/// What is behind the object: a colour that changes across the image, and bars.
struct Ground {
    colours: [Colour; 2],
    frame: Frame,
    bars: [Bar; CLUTTER],
}

impl Ground {
    fn new(stream: &mut Stream) -> Self {
        Self {
            colours: [any_colour(0.7, stream), any_colour(0.7, stream)],
            frame: Frame::new(0.0, 1.0, stream),
            bars: std::array::from_fn(|_| Bar::new(stream)),
        }
    }

    fn colour(&self, x: f64, y: f64) -> Colour {
        if let Some(bar) = self.bars.iter().find(|bar| bar.covers(x, y)) {
            return bar.colour;
        }
        blend(self.colours[0], self.colours[1], 0.5 + 0.4 * self.frame.see(x, y).0)
    }
}

struct Bar {
    frame: Frame,
    half: (f64, f64),
    colour: Colour,
}

impl Bar {
    fn new(stream: &mut Stream) -> Self {
        Self {
            frame: Frame::new(1.0, 1.0, stream),
            half: (stream.uniform(0.1, 0.5), stream.uniform(0.05, 0.2)),
            colour: any_colour(1.0, stream),
        }
    }

    fn covers(&self, x: f64, y: f64) -> bool {
        let (u, v) = self.frame.see(x, y);
        u.abs() < self.half.0 && v.abs() < self.half.1
    }
}

/// Brightness in the middle, its change to the right and down, and the noise of the camera.
struct Light {
    middle: f64,
    slope: (f64, f64),
    noise: f64,
}

impl Light {
    fn new(stream: &mut Stream) -> Self {
        Self {
            middle: stream.uniform(0.6, 1.15),
            slope: (stream.uniform(-0.25, 0.25), stream.uniform(-0.25, 0.25)),
            noise: stream.uniform(0.02, 0.07),
        }
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        self.middle + self.slope.0 * x + self.slope.1 * y
    }
}

/// Axes that are shifted and turned.
struct Frame {
    centre: (f64, f64),
    cos: f64,
    sin: f64,
}

impl Frame {
    /// A centre at most `shift` off in both directions, and a turn up to `turn`: 1 is a right angle to either side.
    fn new(shift: f64, turn: f64, stream: &mut Stream) -> Self {
        // The rational parametrisation of the circle needs no sine.
        let t = stream.uniform(-turn, turn);
        let norm = 1.0 + t * t;
        Self {
            centre: (stream.uniform(-shift, shift), stream.uniform(-shift, shift)),
            cos: (1.0 - t * t) / norm,
            sin: 2.0 * t / norm,
        }
    }

    /// A point of the image as seen from these axes.
    fn see(&self, x: f64, y: f64) -> (f64, f64) {
        let (x, y) = (x - self.centre.0, y - self.centre.1);
        (self.cos * x + self.sin * y, self.cos * y - self.sin * x)
    }
}

/// A colour of any hue, dull, up to a brightness.
fn any_colour(brightest: f64, stream: &mut Stream) -> Colour {
    hsv(stream.unit(), stream.uniform(0.0, 0.6), stream.uniform(0.1, brightest))
}

/// Nearly normal with mean 0 and variance 1: the sum of the four 16-bit parts of a word.
fn bell(stream: &mut Stream) -> f64 {
    let word = stream.word();
    let sum: u64 = (0..4).map(|i| (word >> (16 * i)) & 0xffff).sum();
    // Each part has mean 65535 / 2 and variance (2^32 - 1) / 12.
    (sum as f64 - 131_070.0) / 37_837.2
}
