//! Axes: what they are called, and which places on them are named.

use unicode_width::UnicodeWidthStr;

use super::scale::Scale;

/// Size of the letters beside axes.
pub(super) const LETTER: f64 = 11.0;

/// One axis.
pub(super) struct Axis {
    /// What is measured, with its unit.
    pub(super) label: String,
    pub(super) scale: Scale,
    /// Named places, by value.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis of numbers.
    pub(super) fn numbers(label: impl Into<String>, scale: Scale, ticks: usize) -> Self {
        Self { label: label.into(), scale, ticks: scale.ticks(ticks) }
    }

    /// An axis of names, at 0, 1, 2 …
    pub(super) fn names<'a>(label: impl Into<String>, names: impl IntoIterator<Item = &'a str>) -> Self {
        let ticks: Vec<(f64, String)> =
            (0..).zip(names).map(|(i, name)| (f64::from(i), shortened(name, 110.0))).collect();
        let high = ticks.len().max(1) as f64 - 0.5;
        Self { label: label.into(), scale: Scale::Linear { low: -0.5, high }, ticks }
    }

    /// The widest name, in pixels.
    pub(super) fn widest(&self) -> f64 {
        self.ticks.iter().map(|(_, name)| width_of(name)).fold(0.0, f64::max)
    }
}

/// How wide words are, about: letters of a sans-serif face are a little more than half as wide as high.
pub(super) fn width_of(words: &str) -> f64 {
    words.width() as f64 * LETTER * 0.56
}

/// Words that take no more than this room; what is left out is marked.
pub(super) fn shortened(words: &str, room: f64) -> String {
    if width_of(words) <= room {
        return words.to_owned();
    }
    let mut short = String::new();
    for c in words.chars() {
        short.push(c);
        if width_of(&short) > room - LETTER {
            short.pop();
            break;
        }
    }
    short.trim_end().to_owned() + "…"
}
