//! GitHub-flavoured Markdown.

use std::iter;

use super::layout::{Entry, Layout, Shown, document, sign};
use super::model::{Column, Table};

/// Renders a table as Markdown: bold marks the best figures, intervals stand below their figure in the same cell.
pub(super) fn render(table: &Table) -> String {
    let layout = Layout::of(table);
    let stub = usize::from(layout.row_groups);
    let mut lines = vec![format!("**{}**", escape(&table.title)), String::new()];

    let stubs = iter::repeat_n(String::new(), stub).chain(iter::once(escape(&table.row_heading)));
    lines.push(row(stubs.chain(table.columns.iter().map(heading))));
    let rules = iter::repeat_n("---", stub + 1).chain(table.columns.iter().map(|_| "--:"));
    lines.push(row(rules.map(str::to_owned)));
    for line in &layout.lines {
        let group = layout.row_groups.then(|| line.group.map(escape).unwrap_or_default());
        let label = format!("{}{}", escape(line.label), superscript(line.footnote));
        lines.push(row(group.into_iter().chain(iter::once(label)).chain(line.entries.iter().map(cell))));
    }

    lines.push(String::new());
    for (position, footnote) in layout.footnotes.iter().enumerate() {
        lines.push(format!("- {} {}", superscript(Some(position)), escape(footnote)));
    }
    lines.extend(table.notes.iter().map(|note| format!("- {}", escape(note))));
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    document(&lines)
}

/// Markdown has no headings over several columns, so a group is named in each.
fn heading(column: &Column) -> String {
    let heading = escape(&column.heading());
    match &column.group {
        Some(group) => format!("{}: {heading}", escape(group)),
        None => heading,
    }
}

fn row(cells: impl Iterator<Item = String>) -> String {
    cells.fold(
        "|".to_owned(),
        |line, cell| if cell.is_empty() { line + " |" } else { line + " " + &cell + " |" },
    )
}

fn cell(entry: &Entry<'_>) -> String {
    let body = match &entry.shown {
        Shown::Figure { mean, deviation: Some(deviation) } => format!("{mean} ± {deviation}"),
        Shown::Figure { mean, deviation: None } => escape(mean),
        Shown::Words(words) => escape(words),
        Shown::Missing => "–".to_owned(),
    };
    let body = if entry.best { format!("**{body}**") } else { body };
    let interval = entry.interval.as_ref().map(|interval| format!("<br>{interval}")).unwrap_or_default();
    format!("{body}{}{interval}", superscript(entry.footnote))
}

fn superscript(footnote: Option<usize>) -> String {
    footnote.map(|at| format!("<sup>{}</sup>", sign(at))).unwrap_or_default()
}

/// Words that Markdown shows as they are.
fn escape(words: &str) -> String {
    let mut escaped = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '|' | '[' | ']' | '~' | '#' | '$' => escaped.extend(['\\', c]),
            c if c.is_whitespace() || c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped.trim().to_owned()
}
