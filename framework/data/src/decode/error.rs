//! Why a file gives no image.

/// A file cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The first bytes are of no format that is read here.
    #[error("neither a JPEG nor a PNG file")]
    Format,
    /// The file stops before its image does.
    #[error("truncated: the file ends before its image does")]
    Truncated,
    /// The file contradicts its format.
    #[error("damaged: {0}")]
    Damaged(String),
    /// More pixels than a photograph has.
    #[error("{height}x{width} pixels are more than the {most} that are decoded", most = Self::MOST_PIXELS)]
    TooLarge {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
}

impl DecodeError {
    /// Larger images are refused, as Pillow does: a few bytes can claim any size.
    pub const MOST_PIXELS: usize = 178_956_970;

    /// Whether the file is only not whole.
    pub fn is_truncated(&self) -> bool {
        *self == Self::Truncated
    }

    pub(super) fn damaged(message: impl std::fmt::Display) -> Self {
        Self::Damaged(message.to_string())
    }
}
