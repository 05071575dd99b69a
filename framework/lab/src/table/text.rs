//! Aligned plain text.

use std::iter;

use unicode_width::UnicodeWidthStr;

use super::layout::{Entry, Layout, Line, Shown, document, sign};
use super::model::Table;

const GAP: &str = "  ";

/// Renders a table as text. Nothing is wrapped: the width depends on the numbers alone.
pub(super) fn render(table: &Table) -> String {
    let layout = Layout::of(table);
    let stubs = stubs(table, &layout);
    let columns: Vec<Block> = (0..table.columns.len()).map(|column| block(table, &layout, column)).collect();
    let mut widths: Vec<usize> = columns.iter().map(Block::width).collect();
    widen_for_groups(&layout, &mut widths);

    let stub_width = span_width(&stubs.iter().map(Block::width).collect::<Vec<_>>());
    let width = stub_width + widths.iter().map(|width| GAP.len() + width).sum::<usize>();
    let rule = "─".repeat(width);
    let line = |at: usize| {
        let stubs = stubs.iter().map(|stub| pad_right(&stub.lines[at], stub.width()));
        let cells = columns.iter().zip(&widths).map(|(column, &width)| pad_left(&column.lines[at], width));
        stubs.chain(cells).collect::<Vec<_>>().join(GAP)
    };

    let mut out = vec![one_line(&table.title), rule.clone()];
    if !layout.spans.is_empty() {
        out.push(group_line(&layout, stub_width, &widths));
    }
    out.extend([line(0), rule.clone()]);
    let mut at = 1;
    for row in &layout.lines {
        if row.starts_group {
            out.push("╌".repeat(width));
        }
        out.extend((at..at + height(row)).map(line));
        at += height(row);
    }
    out.push(rule);
    let footnotes = layout.footnotes.iter().enumerate();
    out.extend(footnotes.map(|(position, footnote)| format!("[{}] {}", sign(position), one_line(footnote))));
    out.extend(table.notes.iter().map(|note| one_line(note)));
    document(&out)
}

/// One column of the printed table: the heading and the lines below it, padded alike on the right.
struct Block {
    lines: Vec<String>,
}

impl Block {
    fn width(&self) -> usize {
        self.lines.iter().map(|line| line.width()).max().unwrap_or(0)
    }
}

/// How many lines a row takes: a second one when it prints intervals.
fn height(line: &Line<'_>) -> usize {
    if line.entries.iter().any(|entry| entry.interval.is_some()) { 2 } else { 1 }
}

/// The row groups, if there are any, and the labels.
fn stubs(table: &Table, layout: &Layout<'_>) -> Vec<Block> {
    let mut groups = vec![String::new()];
    let mut labels = vec![one_line(&table.row_heading)];
    for line in &layout.lines {
        let footnote = line.footnote.map(|at| format!(" [{}]", sign(at))).unwrap_or_default();
        groups.push(line.group.map(one_line).unwrap_or_default());
        labels.push(format!("{}{footnote}", one_line(line.label)));
        let blank = || iter::repeat_n(String::new(), height(line) - 1);
        groups.extend(blank());
        labels.extend(blank());
    }
    let labels = Block { lines: labels };
    if layout.row_groups { vec![Block { lines: groups }, labels] } else { vec![labels] }
}

/// A column with means, deviations and marks each aligned among themselves.
fn block(table: &Table, layout: &Layout<'_>, column: usize) -> Block {
    let entries = || layout.lines.iter().map(|line| &line.entries[column]);
    let widest = |part: fn(&Entry<'_>) -> usize| entries().map(part).max().unwrap_or(0);
    let deviation_width = widest(|entry| deviation(entry).width());
    let mark_width = widest(|entry| mark(entry).width());

    let mut lines = vec![one_line(&table.columns[column].heading())];
    for line in &layout.lines {
        let entry = &line.entries[column];
        let body = match &entry.shown {
            Shown::Figure { mean, .. } => format!("{mean}{}", pad_right(&deviation(entry), deviation_width)),
            Shown::Words(words) => one_line(words),
            Shown::Missing => "–".to_owned(),
        };
        // Behind a figure, marks stand in a column of their own; behind a dash they stand where a deviation would.
        let width = match &entry.shown {
            Shown::Missing => 1 + deviation_width + mark_width,
            _ => body.width() + mark_width,
        };
        lines.push(pad_right(&format!("{body}{}", mark(entry)), width));
        if height(line) == 2 {
            let interval = entry.interval.as_deref().unwrap_or_default();
            lines.push(format!("{interval}{}", " ".repeat(mark_width)));
        }
    }
    Block { lines }
}

fn deviation(entry: &Entry<'_>) -> String {
    match &entry.shown {
        Shown::Figure { deviation: Some(deviation), .. } => format!(" ± {deviation}"),
        _ => String::new(),
    }
}

/// What follows a figure: the star of the best ones and the sign of a footnote.
fn mark(entry: &Entry<'_>) -> String {
    let star = if entry.best { "*" } else { "" };
    let footnote = entry.footnote.map(|at| format!("[{}]", sign(at))).unwrap_or_default();
    format!("{star}{footnote}")
}

/// Makes the last column of a group wide enough for a long heading of the group.
fn widen_for_groups(layout: &Layout<'_>, widths: &mut [usize]) {
    let mut first = 0;
    for (group, columns) in &layout.spans {
        let last = first + columns - 1;
        let span = span_width(&widths[first..=last]);
        let needed = group.map(|group| one_line(group).width() + 4).unwrap_or_default();
        widths[last] += needed.saturating_sub(span);
        first = last + 1;
    }
}

fn group_line(layout: &Layout<'_>, stub_width: usize, widths: &[usize]) -> String {
    let mut line = " ".repeat(stub_width);
    let mut first = 0;
    for (group, columns) in &layout.spans {
        let span = span_width(&widths[first..first + columns]);
        let heading = match group {
            Some(group) => {
                let group = one_line(group);
                format!("─ {group} {}", "─".repeat(span - group.width() - 3))
            }
            None => " ".repeat(span),
        };
        line.push_str(GAP);
        line.push_str(&heading);
        first += columns;
    }
    line
}

fn span_width(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP.len() * (widths.len() - 1)
}

fn pad_left(words: &str, width: usize) -> String {
    format!("{}{words}", " ".repeat(width.saturating_sub(words.width())))
}

fn pad_right(words: &str, width: usize) -> String {
    format!("{words}{}", " ".repeat(width.saturating_sub(words.width())))
}

/// Words without line breaks, tabs and the like, which would tear the table apart.
fn one_line(words: &str) -> String {
    let words = words.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}
