//! What a table is, whatever it will look like.

use balpoe_stats::statistics::{Interval, Level, Sample};
use serde::Serialize;

/// Figures in rows and columns, with all that a reader needs to understand them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// A short name that identifies the table in CSV and JSON, such as `main`.
    pub name: String,
    /// The title, one line.
    pub title: String,
    /// The heading above the row labels, such as `arm`.
    pub row_heading: String,
    /// The columns, from left to right.
    pub columns: Vec<Column>,
    /// The rows, from top to bottom; each has one cell per column.
    rows: Vec<Row>,
    /// Whether text, Markdown and LaTeX print the intervals of estimates below them. CSV and JSON always hold them.
    pub interval_lines: bool,
    /// What holds for the whole table, printed below it: what `±` means, n, the protocol.
    pub notes: Vec<String>,
}

/// What the figures of a column are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    /// A heading above the headings; neighbouring columns of one group share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The heading.
    pub name: String,
    /// The unit of the figures, such as `%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// How many decimals the human-readable renderings print.
    pub decimals: usize,
    /// Which figures are better, where that makes sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// Which of two figures is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The higher one, as for accuracy.
    HigherIsBetter,
    /// The lower one, as for a calibration error.
    LowerIsBetter,
}

/// One line of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// A heading beside the labels; neighbouring rows of one group share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What the row is about, such as the name of an arm.
    pub label: String,
    /// What must be said about the row, printed once below the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub footnote: Option<String>,
    /// One cell per column.
    pub cells: Vec<Cell>,
}

/// A value and what must be said about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// The value.
    pub value: Value,
    /// What must be said about it, printed once below the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub footnote: Option<String>,
    /// Overrides the decimals of the column, where one column holds figures of several units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimals: Option<usize>,
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// A mean over seeds.
    Estimate(Estimate),
    /// A single number.
    Number(f64),
    /// A p value, of which human-readable renderings print no more than `<0.0001`.
    PValue(f64),
    /// An interval on its own.
    Interval(Interval),
    /// Words.
    Text(String),
    /// Nothing to show; the footnote says why.
    Missing,
}

/// A mean over seeds and how sure it is, in the unit of its column.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation (denominator n - 1), where it is known: not for one seed.
    pub sd: Option<f64>,
    /// The number of seeds, where it is known.
    pub n: Option<usize>,
    /// The t interval of the mean, where there is one.
    pub interval: Option<Interval>,
    /// Whether it is among the best: not significantly worse than the best one.
    pub best: bool,
}

impl Table {
    /// A table without rows.
    pub fn new(
        name: impl Into<String>,
        title: impl Into<String>,
        row_heading: impl Into<String>,
        columns: Vec<Column>,
    ) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            row_heading: row_heading.into(),
            columns,
            rows: Vec::new(),
            interval_lines: false,
            notes: Vec::new(),
        }
    }

    /// Adds a row at the end.
    ///
    /// # Panics
    /// When the row has not one cell per column: a mistake of the program that builds the table.
    pub fn push(&mut self, row: Row) {
        assert_eq!(
            row.cells.len(),
            self.columns.len(),
            "a row of table `{}` has one cell per column",
            self.name
        );
        self.rows.push(row);
    }

    /// The rows, from top to bottom.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Adds a note, unless the table has it already.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

impl Column {
    /// A column of figures without group, unit or direction.
    pub fn new(name: impl Into<String>, decimals: usize) -> Self {
        Self { group: None, name: name.into(), unit: None, decimals, direction: None }
    }

    /// The same column below a heading that it shares with its neighbours.
    #[must_use]
    pub fn in_group(self, group: impl Into<String>) -> Self {
        Self { group: Some(group.into()), ..self }
    }

    /// The heading with unit and an arrow for the better direction.
    pub(super) fn heading(&self) -> String {
        let unit = self.unit.as_ref().map(|unit| format!(" ({unit})")).unwrap_or_default();
        let arrow = match self.direction {
            Some(Direction::HigherIsBetter) => " ↑",
            Some(Direction::LowerIsBetter) => " ↓",
            None => "",
        };
        format!("{}{unit}{arrow}", self.name)
    }
}

impl Direction {
    /// Whether `a` is better than `b`.
    pub fn is_better(self, a: f64, b: f64) -> bool {
        match self {
            Self::HigherIsBetter => a > b,
            Self::LowerIsBetter => a < b,
        }
    }
}

impl Row {
    /// A row without group or footnote.
    pub fn new(label: impl Into<String>, cells: Vec<Cell>) -> Self {
        Self { group: None, label: label.into(), footnote: None, cells }
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        Self { value, footnote: None, decimals: None }
    }
}

impl From<Estimate> for Cell {
    fn from(estimate: Estimate) -> Self {
        Value::Estimate(estimate).into()
    }
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into()).into()
    }

    /// Nothing to show, and why.
    pub fn missing(footnote: impl Into<String>) -> Self {
        Self { footnote: Some(footnote.into()), ..Value::Missing.into() }
    }
}

impl Estimate {
    /// The mean of `sample` with its deviation and its t interval at `level`.
    pub fn of(sample: &Sample, level: Level) -> Self {
        Self {
            mean: sample.mean(),
            sd: sample.sd(),
            n: Some(sample.n()),
            interval: sample.t_interval(level),
            best: false,
        }
    }
}
