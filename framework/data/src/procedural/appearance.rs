//! What the classes look like.

/// Outlines, in coordinates in which the object lies within the unit circle.
const SHAPES: [&str; 6] = ["disc", "ring", "square", "triangle", "cross", "bars"];

/// Patterns of an object's surface.
const TEXTURES: [&str; 5] = ["plain", "striped", "chequered", "spotted", "halved"];

/// Names of the hues, from red on round the circle.
const HUES: [&str; 12] = [
    "red", "orange", "yellow", "lime", "green", "mint", "cyan", "azure", "blue", "violet", "magenta", "rose",
];

/// What all images of a class have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Appearance {
    shape: usize,
    texture: usize,
    /// The middle of its hues, in turns.
    pub(super) hue: f64,
}

impl Appearance {
    /// The most classes that can be told apart.
    pub(super) const CLASSES: usize = SHAPES.len() * TEXTURES.len() * 2;

    /// The appearance of a class: families (shapes) in turn, so that every family has frequent and rare members.
    pub(super) fn of(class: usize) -> Self {
        let (shape, member) = (class % SHAPES.len(), class / SHAPES.len());
        let (round, texture) = (member / TEXTURES.len(), member % TEXTURES.len());
        let hue = shape as f64 / SHAPES.len() as f64 + texture as f64 / 40.0 + round as f64 / 12.0;
        Self { shape, texture, hue: hue - hue.floor() }
    }

    /// Such as "striped red disc".
    pub(super) fn name(self) -> String {
        let hue = HUES[(self.hue * HUES.len() as f64 + 0.5) as usize % HUES.len()];
        format!("{} {hue} {}", TEXTURES[self.texture], SHAPES[self.shape])
    }

    /// Whether the object covers a point.
    pub(super) fn covers(self, x: f64, y: f64) -> bool {
        let (across, along) = (x.abs(), y.abs());
        match SHAPES[self.shape] {
            "disc" => x * x + y * y < 0.72,
            "ring" => (0.25..0.95).contains(&(x * x + y * y)),
            "square" => across.max(along) < 0.74,
            "triangle" => y < 0.62 && y > 2.0 * across - 0.95,
            "cross" => across.min(along) < 0.27 && across.max(along) < 0.92,
            _ => (0.2..0.72).contains(&across) && along < 0.85,
        }
    }

    /// Whether a point of the surface has the pattern's second tone. The phase shifts the pattern.
    pub(super) fn second_tone(self, x: f64, y: f64, phase: (f64, f64)) -> bool {
        let (u, v) = (1.3 * x + phase.0, 1.3 * y + phase.1);
        let odd = |t: f64| t - t.floor() < 0.5;
        match TEXTURES[self.texture] {
            "plain" => false,
            "striped" => odd(v),
            "chequered" => odd(u) == odd(v),
            "spotted" => {
                let (a, b) = (u - u.floor() - 0.5, v - v.floor() - 0.5);
                a * a + b * b < 0.09
            }
            _ => x > 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct() {
        let names: BTreeSet<String> = (0..Appearance::CLASSES).map(|c| Appearance::of(c).name()).collect();
        assert_eq!(names.len(), Appearance::CLASSES);
        assert_eq!(Appearance::of(0).name(), "plain red disc");
    }
}
