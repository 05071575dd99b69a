//! The formats that a table can be rendered in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::model::Table;
use super::{csv, json, latex, markdown, text};

/// A way to write a table down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Aligned text for a terminal or a log.
    Text,
    /// A GitHub-flavoured Markdown table.
    Markdown,
    /// A LaTeX `table` that needs the package `booktabs`.
    Latex,
    /// Long format: one line per cell, full precision.
    Csv,
    /// The model itself, full precision.
    Json,
}

/// A name that is no [`Format`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected a table format (text, markdown, latex, csv or json), found `{0}`")]
pub struct UnknownFormat(String);

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Text, Self::Markdown, Self::Latex, Self::Csv, Self::Json];

    /// The name under which [`FromStr`] knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Latex => "latex",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// Renders tables one after the other; in CSV and JSON they make one document.
///
/// The result ends in a newline and no line of it ends in a space.
pub fn render(tables: &[Table], format: Format) -> String {
    let joined = |one: fn(&Table) -> String| tables.iter().map(one).collect::<Vec<_>>().join("\n");
    match format {
        Format::Text => joined(text::render),
        Format::Markdown => joined(markdown::render),
        Format::Latex => joined(latex::render),
        Format::Csv => csv::render(tables),
        Format::Json => json::render(tables),
    }
}

impl Table {
    /// Renders this table alone; see [`render`].
    pub fn render(&self, format: Format) -> String {
        render(std::slice::from_ref(self), format)
    }
}
