//! What is wrong with a table.

use serde::Serialize;

/// The kind of a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// No number of the table's kind: a decimal comma among points, two marks, a letter.
    Malformed,
    /// Cannot be, given the rest of the table.
    Contradicted,
    /// Contradicted by a single test image: it may have been measured twice, where a tie fell otherwise.
    OffByOneSample,
    /// A mean or deviation that follows from a wrong cell.
    Consequence,
    /// Unlikely, and nothing in the table says more.
    Suspicious,
}

impl Class {
    /// Every class, the gravest first.
    pub const ALL: [Self; 5] =
        [Self::Malformed, Self::Contradicted, Self::OffByOneSample, Self::Consequence, Self::Suspicious];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Contradicted => "contradicted",
            Self::OffByOneSample => "off by one sample",
            Self::Consequence => "consequence",
            Self::Suspicious => "suspicious",
        }
    }
}

/// A cell that cannot be right, or is unlikely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The row: its block, if it has one, and its label, separated by ` / `.
    pub row: String,
    /// The column: its headings from top to bottom, separated by ` / `.
    pub column: String,
    /// What the table prints.
    pub printed: String,
    /// The kind of mistake.
    pub class: Class,
    /// What it should print, where the table determines it.
    pub corrected: Option<String>,
    /// Why.
    pub reason: String,
}

/// The outcome of an audit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was checked and which conventions the table follows.
    pub notes: Vec<String>,
    /// What is wrong, in the order of the table.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}
