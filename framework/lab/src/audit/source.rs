//! Documents, whatever language their tables are in.

use std::path::Path;

use super::error::AuditError;
use super::layout::Section;
use super::number::{Notation, is_figure};
use super::{csv, latex, layout, markdown};

/// The language of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `tabular` and its relatives, with or without booktabs.
    Latex,
    /// Pipe tables.
    Markdown,
    /// Values separated by commas, semicolons or tabs.
    Csv,
}

impl Language {
    /// The language of a file, by its ending, else by what is in it.
    pub fn of(path: &Path, text: &str) -> Self {
        match path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase).as_deref() {
            Some("tex") => Self::Latex,
            Some("md" | "markdown") => Self::Markdown,
            Some("csv" | "tsv") => Self::Csv,
            _ if text.contains("\\begin{") => Self::Latex,
            _ if text.lines().any(|line| line.trim_start().starts_with('|')) => Self::Markdown,
            _ => Self::Csv,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Latex => "LaTeX",
            Self::Markdown => "Markdown",
            Self::Csv => "CSV",
        }
    }
}

/// The tables of a document, cut into sections that each have one set of headings.
#[derive(Debug, Clone)]
pub struct Document {
    pub(super) notation: Notation,
    pub(super) sections: Vec<Section>,
}

/// Reads all tables of a document.
///
/// # Errors
/// When there is none that holds a figure, or the document is broken.
pub fn parse(text: &str, language: Language) -> Result<Document, AuditError> {
    let raw = match language {
        Language::Latex => latex::tables(text),
        Language::Markdown => markdown::tables(text),
        Language::Csv => csv::tables(text)?,
    };
    let cells = || raw.iter().flat_map(|table| &table.rows).flat_map(|row| &row.cells);
    if !cells().any(|cell| is_figure(&cell.text)) {
        return Err(AuditError::NoTable { language: language.name() });
    }
    let notation = Notation::of(cells().map(|cell| cell.text.as_str()));
    let sections = raw.iter().flat_map(layout::sections).collect();
    Ok(Document { notation, sections })
}
