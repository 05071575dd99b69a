use std::fmt;

/// Shape of one image's value at a node, in the order in which it lies in memory (NHWC without the batch).
///
/// A vector, such as pooled features or logits, has height and width 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels, features or classes.
    pub channels: usize,
}

impl Shape {
    /// A feature map of `height` x `width` pixels with `channels` channels.
    pub const fn new(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels }
    }

    /// A vector of `channels` values.
    pub const fn vector(channels: usize) -> Self {
        Self::new(1, 1, channels)
    }

    /// Whether height and width are 1.
    pub const fn is_vector(&self) -> bool {
        self.height == 1 && self.width == 1
    }

    /// Pixels of one channel: height times width.
    pub const fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Values of one image.
    pub const fn len(&self) -> usize {
        self.pixels() * self.channels
    }

    /// Whether a side is zero; the builder makes no such shape.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}
