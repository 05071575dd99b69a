//! Tables before their rows and columns have a meaning.

/// A table before its rows and columns have a meaning.
#[derive(Debug, Clone, Default)]
pub(super) struct RawTable {
    pub(super) rows: Vec<RawRow>,
    /// Whether headings say over how many columns they stand; elsewhere blanks belong to the heading on their left.
    pub(super) has_spans: bool,
}

/// A row as it stands in the document.
#[derive(Debug, Clone, Default)]
pub(super) struct RawRow {
    pub(super) cells: Vec<RawCell>,
    /// Whether the document says that this is a row of headings.
    pub(super) is_heading: bool,
}

/// A cell without its markup.
#[derive(Debug, Clone, Default)]
pub(super) struct RawCell {
    pub(super) text: String,
    /// The number of columns that it covers, at least 1.
    pub(super) span: usize,
}
