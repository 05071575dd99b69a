//! What text, Markdown and LaTeX have in common: which words stand where, before they are decorated.

use super::model::{Cell, Column, Row, Table, Value};
use super::number::{fixed, p_value};

/// A table whose figures have become words.
pub(super) struct Layout<'a> {
    /// Whether the rows have group headings, which take a column of their own.
    pub(super) row_groups: bool,
    /// Group headings of the columns with the number of columns below each; empty when no column has a group.
    pub(super) spans: Vec<(Option<&'a str>, usize)>,
    /// One entry per row.
    pub(super) lines: Vec<Line<'a>>,
    /// The distinct footnotes, in the order in which the table refers to them: the first is `a`.
    pub(super) footnotes: Vec<&'a str>,
}

/// A row.
pub(super) struct Line<'a> {
    /// The group heading, on the first row of its group only.
    pub(super) group: Option<&'a str>,
    /// Whether a group ends above this row.
    pub(super) starts_group: bool,
    /// The label.
    pub(super) label: &'a str,
    /// The footnote of the label, as a position in [`Layout::footnotes`].
    pub(super) footnote: Option<usize>,
    /// One entry per column.
    pub(super) entries: Vec<Entry<'a>>,
}

/// A cell.
pub(super) struct Entry<'a> {
    /// What is shown.
    pub(super) shown: Shown<'a>,
    /// Whether the figure is among the best.
    pub(super) best: bool,
    /// The interval to print below the figure, if the table wants that.
    pub(super) interval: Option<String>,
    /// The footnote, as a position in [`Layout::footnotes`].
    pub(super) footnote: Option<usize>,
}

/// What is shown in a cell.
pub(super) enum Shown<'a> {
    /// A figure and, behind `±`, its deviation.
    Figure { mean: String, deviation: Option<String> },
    /// Words, or an interval.
    Words(std::borrow::Cow<'a, str>),
    /// `–`.
    Missing,
}

impl<'a> Layout<'a> {
    pub(super) fn of(table: &'a Table) -> Self {
        let mut footnotes = Vec::new();
        let mut lines: Vec<Line<'a>> = Vec::with_capacity(table.rows().len());
        let mut group_above = None;
        for (position, row) in table.rows().iter().enumerate() {
            let group = row.group.as_deref();
            let starts_group = position > 0 && group != group_above;
            lines.push(Line {
                group: group.filter(|_| position == 0 || starts_group),
                starts_group,
                label: &row.label,
                footnote: row.footnote.as_deref().map(|note| reference(&mut footnotes, note)),
                entries: entries(table, row, &mut footnotes),
            });
            group_above = group;
        }
        let row_groups = table.rows().iter().any(|row| row.group.is_some());
        Self { row_groups, spans: spans(&table.columns), lines, footnotes }
    }
}

fn entries<'a>(table: &'a Table, row: &'a Row, footnotes: &mut Vec<&'a str>) -> Vec<Entry<'a>> {
    let cells = table.columns.iter().zip(&row.cells);
    cells.map(|(column, cell)| entry(column, cell, table.interval_lines, footnotes)).collect()
}

fn entry<'a>(
    column: &Column,
    cell: &'a Cell,
    interval_lines: bool,
    footnotes: &mut Vec<&'a str>,
) -> Entry<'a> {
    let decimals = cell.decimals.unwrap_or(column.decimals);
    let interval_of = |low, high| format!("[{}, {}]", fixed(low, decimals), fixed(high, decimals));
    let figure = |mean| Shown::Figure { mean, deviation: None };
    let (shown, best, interval) = match &cell.value {
        Value::Estimate(estimate) => {
            let deviation = estimate.sd.map(|sd| fixed(sd, decimals));
            let interval = estimate.interval.filter(|_| interval_lines);
            (
                Shown::Figure { mean: fixed(estimate.mean, decimals), deviation },
                estimate.best,
                interval.map(|interval| interval_of(interval.low, interval.high)),
            )
        }
        Value::Number(number) => (figure(fixed(*number, decimals)), false, None),
        Value::PValue(p) => (figure(p_value(*p)), false, None),
        Value::Interval(interval) => {
            (Shown::Words(interval_of(interval.low, interval.high).into()), false, None)
        }
        Value::Text(text) => (Shown::Words(text.as_str().into()), false, None),
        Value::Missing => (Shown::Missing, false, None),
    };
    Entry { shown, best, interval, footnote: cell.footnote.as_deref().map(|note| reference(footnotes, note)) }
}

/// The position of `note` among the footnotes, where it is added if it is new.
fn reference<'a>(footnotes: &mut Vec<&'a str>, note: &'a str) -> usize {
    footnotes.iter().position(|known| *known == note).unwrap_or_else(|| {
        footnotes.push(note);
        footnotes.len() - 1
    })
}

fn spans(columns: &[Column]) -> Vec<(Option<&str>, usize)> {
    let mut spans: Vec<(Option<&str>, usize)> = Vec::new();
    for column in columns {
        match spans.last_mut() {
            Some((group, width)) if *group == column.group.as_deref() => *width += 1,
            _ => spans.push((column.group.as_deref(), 1)),
        }
    }
    if spans.iter().all(|(group, _)| group.is_none()) { Vec::new() } else { spans }
}

/// The sign of a footnote: `a` to `z`, then `aa`.
pub(super) fn sign(position: usize) -> String {
    let letter = char::from(b'a' + (position % 26) as u8);
    if position < 26 { letter.to_string() } else { format!("{}{letter}", sign(position / 26 - 1)) }
}

/// One document of the lines, none of which ends in a space.
pub(super) fn document(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |document, line| document + line.trim_end() + "\n")
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn footnote_signs_go_on_after_z() {
        assert_eq!([0, 25, 26, 51, 52].map(sign), ["a", "z", "aa", "az", "ba"]);
    }
}
