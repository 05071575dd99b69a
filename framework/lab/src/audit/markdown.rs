//! Pipe tables.

use super::raw::{RawCell, RawRow, RawTable};

/// Reads every pipe table of a document.
pub(super) fn tables(text: &str) -> Vec<RawTable> {
    let mut tables = Vec::new();
    let mut table = RawTable::default();
    for line in text.lines().map(str::trim).chain([""]) {
        if !line.contains('|') {
            if !table.rows.is_empty() {
                tables.push(std::mem::take(&mut table));
            }
        } else if is_rule(line) {
            table.rows.iter_mut().for_each(|row| row.is_heading = true);
        } else {
            table.rows.push(RawRow { cells: cells(line), is_heading: false });
        }
    }
    tables
}

fn is_rule(line: &str) -> bool {
    line.contains('-') && line.chars().all(|c| "|-:+ \t".contains(c))
}

fn cells(line: &str) -> Vec<RawCell> {
    let line = line.strip_prefix('|').unwrap_or(line);
    let line = if line.ends_with("\\|") { line } else { line.strip_suffix('|').unwrap_or(line) };
    let line = line.replace("\\pm", "±").replace('$', "");
    let mut cells = vec![String::new()];
    let mut escaped = false;
    for c in line.chars() {
        if c == '|' && !escaped {
            cells.push(String::new());
        } else if c != '\\' || escaped {
            cells.last_mut().expect("there is a first cell").push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    cells.iter().map(|cell| RawCell { text: plain(cell), span: 1 }).collect()
}

/// Without emphasis, code and the few tags that tables use.
fn plain(cell: &str) -> String {
    let mut text = cell.replace("**", "").replace("__", "").replace("&nbsp;", " ");
    for tag in
        ["<b>", "</b>", "<u>", "</u>", "<i>", "</i>", "<sub>", "</sub>", "<sup>", "</sup>", "<br>", "`"]
    {
        text = text.replace(tag, " ");
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
