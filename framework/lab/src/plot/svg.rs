//! Writing SVG: well-formed whatever the words and numbers are.

use std::fmt::{self, Display, Write as _};

use crate::markup::Escaped;

/// A coordinate or length: two decimals at most, and always a number that a reader of SVG understands.
#[derive(Clone, Copy)]
pub(super) struct Px(pub(super) f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One part in a hundred of a pixel is below what any device shows; a figure that does not exist stays at the origin.
        let rounded = if self.0.is_finite() { (self.0 * 100.0).round() / 100.0 } else { 0.0 };
        // Adding zero turns -0 into 0.
        write!(f, "{}", rounded + 0.0)
    }
}

/// Attributes of an element, in the order in which they are written.
pub(super) type Attributes<'a> = [(&'a str, &'a dyn Display)];

/// A document that grows element by element.
pub(super) struct Svg {
    text: String,
    open: Vec<&'static str>,
}

impl Svg {
    /// An empty picture of this size, with what a screen reader says of it.
    pub(super) fn new(width: f64, height: f64, title: &str, description: &str) -> Self {
        let mut svg = Self { text: String::new(), open: Vec::new() };
        svg.open(
            "svg",
            &[
                ("xmlns", &"http://www.w3.org/2000/svg"),
                ("viewBox", &format!("0 0 {} {}", Px(width), Px(height))),
                ("width", &Px(width)),
                ("height", &Px(height)),
                ("role", &"img"),
                ("font-family", &"system-ui, 'Helvetica Neue', Arial, sans-serif"),
                ("font-size", &"11"),
            ],
        );
        svg.words("title", &[], title);
        svg.words("desc", &[], description);
        svg
    }

    /// Begins an element that holds others.
    pub(super) fn open(&mut self, name: &'static str, attributes: &Attributes<'_>) {
        self.tag(name, attributes);
        self.text.push_str(">\n");
        self.open.push(name);
    }

    /// Ends the element that was begun last.
    pub(super) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            let _ = writeln!(self.text, "</{name}>");
        }
    }

    /// An element that holds nothing.
    pub(super) fn element(&mut self, name: &str, attributes: &Attributes<'_>) {
        self.tag(name, attributes);
        self.text.push_str("/>\n");
    }

    /// An element that holds words.
    pub(super) fn words(&mut self, name: &str, attributes: &Attributes<'_>, words: &str) {
        self.tag(name, attributes);
        let _ = writeln!(self.text, ">{}</{name}>", Escaped(words));
    }

    /// An element with words that a pointer resting on it shows.
    pub(super) fn hinted(&mut self, name: &str, attributes: &Attributes<'_>, hint: &str) {
        self.tag(name, attributes);
        let _ = writeln!(self.text, "><title>{}</title></{name}>", Escaped(hint));
    }

    /// The document, every element ended.
    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    fn tag(&mut self, name: &str, attributes: &Attributes<'_>) {
        let _ = write!(self.text, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.text, " {key}=\"{}\"", Escaped(&value.to_string()));
        }
    }
}
