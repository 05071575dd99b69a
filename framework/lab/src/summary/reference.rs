//! Published results, from files like those in `configs/reference/`.
//!
//! ```toml
//! title = "BalPoE on CIFAR-100-LT, imbalance ratio 100"
//! source = "table of five seeds published with the code"
//!
//! [[row]]
//! name = "standard"              # how experiments refer to it
//! label = "BalPoE, 3 experts"    # how tables call it
//! seeds = 5                      # left out where unknown
//!
//! [row.figures.ensemble.uniform]
//! accuracy = { mean = 51.98, sd = 0.23 }
//! ece = { mean = 4.9, sd = 1.0, tolerance = 3.0 }
//! ```
//!
//! Figures are in the unit in which tables show them: percent for accuracies, ECE and MCE, plain for NLL and Brier.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use balpoe_stats::statistics::Sample;
use serde::Deserialize;
use thiserror::Error;

use super::metrics::{Key, KeyError};
use crate::table::{Cell, Estimate, Value};

/// Published results of one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// The setting: method, data set, imbalance ratio.
    pub title: String,
    /// Where the figures come from.
    pub source: String,
    /// One row per published variant.
    pub rows: Vec<Row>,
}

/// The published figures of one variant.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The name by which experiments refer to it.
    pub name: String,
    /// The name in tables.
    pub label: String,
    /// Where these figures come from.
    pub source: String,
    /// The number of seeds, where it is known.
    pub seeds: Option<usize>,
    /// What is doubtful or unknown about them.
    pub notes: Vec<String>,
    /// The figures, in the unit of the tables.
    pub figures: BTreeMap<Key, Figure>,
}

/// A published figure, in the unit of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The mean over seeds, or the only value.
    pub mean: f64,
    /// The sample standard deviation over seeds, where it is known.
    pub sd: Option<f64>,
    /// How far a reproduction may lie off, where the usual rule does not fit.
    pub tolerance: Option<f64>,
}

/// How far our figure lies from a published one, in the unit of the tables.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// Ours minus theirs.
    pub difference: f64,
    /// The largest absolute difference that counts as reproduced.
    pub allowed: f64,
}

/// Why published results could not be read.
#[derive(Debug, Error)]
pub enum ReferenceError {
    /// The file could not be read.
    #[error("expected a readable file of published results at {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The file is not made as it must be.
    #[error("expected published results in {}: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What and where; boxed because it is large.
        reason: Box<toml::de::Error>,
    },
    /// A figure has no valid key.
    #[error("expected figures by subject, distribution and metric in row `{row}` of {}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The row.
        row: String,
        /// What is wrong with the key.
        reason: KeyError,
    },
    /// A number makes no sense.
    #[error(
        "expected a finite mean, deviation and tolerance not below 0 and at least one seed in row `{row}` of {}, found {found}",
        path.display()
    )]
    Number {
        /// The file.
        path: PathBuf,
        /// The row.
        row: String,
        /// The key and the number.
        found: String,
    },
    /// Two rows have the same name.
    #[error("expected rows with different names in {}, found `{row}` twice", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The name.
        row: String,
    },
    /// No row has the name that was asked for.
    #[error("expected the name of a published row ({}), found `{found}`", .expected.join(", "))]
    UnknownRow {
        /// The name.
        found: String,
        /// The names of the rows.
        expected: Vec<String>,
    },
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    source: String,
    #[serde(rename = "row", default)]
    rows: Vec<FileRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRow {
    name: String,
    label: String,
    source: Option<String>,
    seeds: Option<usize>,
    #[serde(default)]
    notes: Vec<String>,
    #[serde(default)]
    figures: BTreeMap<String, BTreeMap<String, BTreeMap<String, Figure>>>,
}

impl Reference {
    /// Reads a file of published results.
    ///
    /// # Errors
    /// When the file cannot be read, or is not made as the [module](self) describes.
    pub fn load(path: &Path) -> Result<Self, ReferenceError> {
        let text = fs::read_to_string(path)
            .map_err(|reason| ReferenceError::Read { path: path.to_owned(), reason })?;
        Self::parse(&text, path)
    }

    /// Reads published results from the contents of a file; `path` is named in errors.
    ///
    /// # Errors
    /// When the text is not made as the [module](self) describes.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ReferenceError> {
        let file: File = toml::from_str(text)
            .map_err(|reason| ReferenceError::Parse { path: path.to_owned(), reason: Box::new(reason) })?;
        let mut rows: Vec<Row> = Vec::with_capacity(file.rows.len());
        for row in file.rows {
            if rows.iter().any(|known| known.name == row.name) {
                return Err(ReferenceError::Duplicate { path: path.to_owned(), row: row.name });
            }
            rows.push(Row::from_file(row, &file.source, path)?);
        }
        Ok(Self { title: file.title, source: file.source, rows })
    }

    /// The row called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn row(&self, name: &str) -> Result<&Row, ReferenceError> {
        self.rows.iter().find(|row| row.name == name).ok_or_else(|| ReferenceError::UnknownRow {
            found: name.to_owned(),
            expected: self.rows.iter().map(|row| row.name.clone()).collect(),
        })
    }
}

impl Row {
    fn from_file(row: FileRow, source: &str, path: &Path) -> Result<Self, ReferenceError> {
        let number =
            |found: String| ReferenceError::Number { path: path.to_owned(), row: row.name.clone(), found };
        if row.seeds == Some(0) {
            return Err(number("seeds = 0".to_owned()));
        }
        let mut figures = BTreeMap::new();
        for (subject, distributions) in &row.figures {
            for (distribution, metrics) in distributions {
                for (metric, figure) in metrics {
                    let key: Result<Key, KeyError> = format!("{subject}/{distribution}/{metric}").parse();
                    let key = key.map_err(|reason| ReferenceError::Key {
                        path: path.to_owned(),
                        row: row.name.clone(),
                        reason,
                    })?;
                    if let Some(wrong) = figure.wrong_number() {
                        return Err(number(format!("{wrong} at {key}")));
                    }
                    figures.insert(key, *figure);
                }
            }
        }
        let source = row.source.unwrap_or_else(|| source.to_owned());
        Ok(Self { name: row.name, label: row.label, source, seeds: row.seeds, notes: row.notes, figures })
    }

    /// Judges whether `ours` (in the unit of the tables) reproduces the figure of `key`.
    ///
    /// The difference of the means may be 3 sd √(1/n + 1/m), with the published deviation sd over m seeds and our n seeds;
    /// a tolerance in the file replaces that. `None` when there is no such figure, or too little is known to judge.
    pub fn judge(&self, key: &Key, ours: &Sample) -> Option<Judgement> {
        let figure = self.figures.get(key)?;
        let by_rule = || {
            let (n, m) = (ours.n() as f64, self.seeds? as f64);
            Some(3.0 * figure.sd? * (1.0 / n + 1.0 / m).sqrt())
        };
        let allowed = figure.tolerance.or_else(by_rule)?;
        Some(Judgement { difference: ours.mean() - figure.mean, allowed })
    }

    /// How tables call the row.
    pub(super) fn heading(&self) -> String {
        format!("published: {}", self.label)
    }

    /// Where the figures come from and what is doubtful about them.
    pub(super) fn provenance(&self) -> String {
        let notes = self.notes.iter().map(|note| format!("; {note}"));
        std::iter::once(self.source.clone()).chain(notes).collect()
    }

    /// The figure as a cell, which stays empty without a footnote where nothing was published.
    pub(super) fn cell(&self, key: &Key) -> Cell {
        let decimals = Some(key.metric.decimals());
        match self.figures.get(key) {
            Some(figure) => Cell { decimals, ..Cell::from(figure.estimate(self.seeds)) },
            None => Value::Missing.into(),
        }
    }
}

impl Figure {
    fn estimate(self, seeds: Option<usize>) -> Estimate {
        Estimate { mean: self.mean, sd: self.sd, n: seeds, interval: None, best: false }
    }

    /// The first number that no published figure can be.
    fn wrong_number(self) -> Option<f64> {
        let spread = [self.sd, self.tolerance].into_iter().flatten();
        let wrong_spread = |value: &f64| !(value.is_finite() && *value >= 0.0);
        Some(self.mean).filter(|mean| !mean.is_finite()).or_else(|| spread.into_iter().find(wrong_spread))
    }
}

impl Judgement {
    /// Whether our figure lies within what is allowed.
    pub fn reproduced(self) -> bool {
        self.difference.abs() <= self.allowed
    }
}
