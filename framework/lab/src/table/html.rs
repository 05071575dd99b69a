//! HTML, for the report: real headings with scopes, groups of rows as bodies, notes below.

use std::fmt::Write as _;

use super::layout::{Entry, Layout, Shown, sign};
use super::model::Table;
use crate::markup::Escaped;

/// Renders a table as a `figure` that may be wider than the page and scrolls then. Bold marks the best figures.
pub(crate) fn html(table: &Table) -> String {
    let layout = Layout::of(table);
    let columns = table.columns.len();
    let mut out = String::new();
    let title = Escaped(&table.title);
    let _ = writeln!(out, "<figure class=\"table\">\n<figcaption>{title}</figcaption>");
    let _ = writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\n<table>\n<thead>"
    );
    if !layout.spans.is_empty() {
        out.push_str("<tr><td></td>");
        for (group, width) in &layout.spans {
            let _ = match group {
                Some(group) => {
                    write!(out, "<th colspan=\"{width}\" scope=\"colgroup\">{}</th>", Escaped(group))
                }
                None => write!(out, "<td colspan=\"{width}\"></td>"),
            };
        }
        out.push_str("</tr>\n");
    }
    let _ = write!(out, "<tr><th scope=\"col\">{}</th>", Escaped(&table.row_heading));
    for column in &table.columns {
        let _ = write!(out, "<th scope=\"col\">{}</th>", Escaped(&column.heading()));
    }
    out.push_str("</tr>\n</thead>\n<tbody>\n");
    for line in &layout.lines {
        if line.starts_group {
            out.push_str("</tbody>\n<tbody>\n");
        }
        if let Some(group) = line.group {
            let width = columns + 1;
            let _ = writeln!(
                out,
                "<tr class=\"group\"><th colspan=\"{width}\" scope=\"rowgroup\">{}</th></tr>",
                Escaped(group)
            );
        }
        let _ =
            write!(out, "<tr><th scope=\"row\">{}{}</th>", Escaped(line.label), superscript(line.footnote));
        line.entries.iter().for_each(|entry| out.push_str(&cell(entry)));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    let footnotes = layout.footnotes.iter().enumerate();
    let footnotes = footnotes.map(|(at, note)| format!("{} {}", superscript(Some(at)), Escaped(note)));
    let notes = table.notes.iter().map(|note| Escaped(note).to_string());
    let notes: Vec<String> = footnotes.chain(notes).map(|note| format!("<li>{note}</li>\n")).collect();
    if !notes.is_empty() {
        let _ = writeln!(out, "<ul class=\"notes\">\n{}</ul>", notes.concat());
    }
    out + "</figure>\n"
}

fn cell(entry: &Entry<'_>) -> String {
    let body = match &entry.shown {
        Shown::Figure { mean, deviation: Some(deviation) } => {
            format!("{} <span class=\"deviation\">± {}</span>", Escaped(mean), Escaped(deviation))
        }
        Shown::Figure { mean, deviation: None } => Escaped(mean).to_string(),
        Shown::Words(words) => Escaped(words).to_string(),
        Shown::Missing => "–".to_owned(),
    };
    let body = if entry.best { format!("<strong>{body}</strong>") } else { body };
    let interval = entry.interval.as_ref();
    let interval =
        interval.map(|interval| format!("<br /><span class=\"interval\">{}</span>", Escaped(interval)));
    format!("<td>{body}{}{}</td>", superscript(entry.footnote), interval.unwrap_or_default())
}

fn superscript(footnote: Option<usize>) -> String {
    footnote.map(|at| format!("<sup>{}</sup>", sign(at))).unwrap_or_default()
}
