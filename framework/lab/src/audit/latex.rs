//! `tabular` and its relatives.

use super::raw::{RawCell, RawRow, RawTable};

const ENVIRONMENTS: [&str; 6] = ["tabular", "tabular*", "tabularx", "tabulary", "longtable", "tblr"];

/// Commands of which the last argument is what the reader sees; commands without arguments vanish.
const HIDDEN: [&str; 8] = ["cite", "citep", "citet", "ref", "label", "cellcolor", "rowcolor", "color"];

/// Reads every table of a document.
pub(super) fn tables(text: &str) -> Vec<RawTable> {
    let text: String = text.lines().map(|line| without_comment(line).to_owned() + "\n").collect();
    let mut tables = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, behind)) = rest.split_once("\\begin{") {
        rest = behind;
        let Some((name, behind)) = behind.split_once('}') else { break };
        if !ENVIRONMENTS.contains(&name) {
            continue;
        }
        let Some((body, behind)) = behind.split_once(&format!("\\end{{{name}}}")) else { break };
        rest = behind;
        let arguments = if matches!(name, "tabular*" | "tabularx" | "tabulary") { 2 } else { 1 };
        tables.push(table(skip_arguments(body, arguments)));
    }
    tables
}

fn without_comment(line: &str) -> &str {
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        if c == '%' && !escaped {
            return &line[..at];
        }
        escaped = c == '\\' && !escaped;
    }
    line
}

/// What follows the column specification.
fn skip_arguments(body: &str, mut arguments: usize) -> &str {
    let mut rest = body.trim_start();
    while arguments > 0 {
        if let Some(behind) = rest.strip_prefix('[') {
            rest = behind.split_once(']').map_or("", |(_, behind)| behind).trim_start();
        } else if let Some((_, behind)) = braced(rest) {
            rest = behind.trim_start();
            arguments -= 1;
        } else {
            break;
        }
    }
    rest
}

fn table(body: &str) -> RawTable {
    let mut rows: Vec<RawRow> = Vec::new();
    let mut ruled = false;
    for line in split(body, "\\\\") {
        let mut line = line.trim_start();
        if let Some(behind) = line.strip_prefix('[') {
            line = behind.split_once(']').map_or("", |(_, behind)| behind);
        }
        let (line, has_midrule) = without_rules(line);
        if has_midrule && !ruled && rows.iter().any(|row| row.cells.iter().any(|cell| !cell.text.is_empty()))
        {
            rows.iter_mut().for_each(|row| row.is_heading = true);
            ruled = true;
        }
        let cells: Vec<RawCell> = split(&line, "&").into_iter().map(cell).collect();
        rows.push(RawRow { cells, is_heading: false });
    }
    if rows.last().is_some_and(|row| row.cells.iter().all(|cell| cell.text.is_empty())) {
        rows.pop();
    }
    RawTable { rows, has_spans: true }
}

/// Cuts at `separator` outside braces.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut at) = (0_usize, 0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if depth == 0 && rest.starts_with(separator) {
            parts.push(&text[start..at]);
            at += separator.len();
            start = at;
            continue;
        }
        let length = match rest.as_bytes()[0] {
            b'{' => {
                depth += 1;
                1
            }
            b'}' => {
                depth = depth.saturating_sub(1);
                1
            }
            b'\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        at += length;
    }
    parts.push(&text[start..]);
    parts
}

/// Takes rules off the front of a row; `\midrule` ends the headings.
fn without_rules(line: &str) -> (String, bool) {
    let mut rest = line.trim_start();
    let mut has_midrule = false;
    'rules: loop {
        for rule in [
            "\\toprule",
            "\\midrule",
            "\\bottomrule",
            "\\hline",
            "\\cmidrule",
            "\\cline",
            "\\specialrule",
            "\\addlinespace",
            "\\endhead",
            "\\endfirsthead",
        ] {
            let Some(behind) = rest.strip_prefix(rule) else { continue };
            if behind.starts_with(|c: char| c.is_ascii_alphabetic()) {
                continue;
            }
            has_midrule |= rule == "\\midrule";
            rest = behind.trim_start();
            for (open, close) in [('(', ')'), ('[', ']'), ('{', '}'), ('(', ')'), ('{', '}'), ('{', '}')] {
                if rest.starts_with(open) {
                    rest = rest.split_once(close).map_or("", |(_, behind)| behind).trim_start();
                }
            }
            continue 'rules;
        }
        return (rest.to_owned(), has_midrule);
    }
}

fn cell(text: &str) -> RawCell {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("\\multicolumn")
        && let Some((columns, rest)) = braced(rest)
        && let Some((_, rest)) = braced(rest)
    {
        let words = braced(rest).map_or(rest, |(words, _)| words);
        return RawCell { text: plain(words), span: columns.trim().parse().unwrap_or(1).max(1) };
    }
    RawCell { text: plain(text), span: 1 }
}

/// The content of the braces at the front, and what follows.
fn braced(text: &str) -> Option<(&str, &str)> {
    let inner = text.trim_start().strip_prefix('{')?;
    let mut depth = 1_usize;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            '{' if !escaped => depth += 1,
            '}' if !escaped => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&inner[..at], &inner[at + 1..]));
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

/// What the reader sees, in plain characters.
fn plain(text: &str) -> String {
    seen(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn seen(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
                let (name, behind) = rest.split_at(letters);
                rest = behind;
                match name {
                    "" => {
                        let escaped = rest.chars().next();
                        rest = &rest[escaped.map_or(0, char::len_utf8)..];
                        out.extend(escaped.map(|c| if "\\,;:! ".contains(c) { ' ' } else { c }));
                    }
                    "pm" => out.push('±'),
                    "uparrow" | "downarrow" | "dagger" | "ddagger" | "quad" | "qquad" => out.push(' '),
                    _ => {
                        let mut last = None;
                        loop {
                            rest = rest.trim_start_matches('*');
                            if let Some(behind) = rest.strip_prefix('[') {
                                rest = behind.split_once(']').map_or("", |(_, behind)| behind);
                            } else if let Some((argument, behind)) =
                                rest.starts_with('{').then(|| braced(rest)).flatten()
                            {
                                last = Some(argument);
                                rest = behind;
                            } else {
                                break;
                            }
                        }
                        if !HIDDEN.contains(&name) {
                            out.push_str(&last.map(seen).unwrap_or_default());
                        }
                    }
                }
            }
            '~' | '\n' => out.push(' '),
            // A raised mark is a footnote; a lowered deviation belongs to the figure.
            '^' => rest = without_argument(rest),
            '$' | '{' | '}' | '_' => {}
            _ => out.push(c),
        }
    }
    out
}

/// What follows one argument: braces, a command or a character.
fn without_argument(text: &str) -> &str {
    if text.starts_with('{') {
        return braced(text).map_or("", |(_, behind)| behind);
    }
    match text.strip_prefix('\\') {
        Some(command) => command.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
        None => &text[text.chars().next().map_or(0, char::len_utf8)..],
    }
}

#[cfg(test)]
mod tests {
    use super::{plain, tables};

    #[test]
    fn markup_vanishes() {
        for (cell, seen) in [
            (r"\textbf{51.98}", "51.98"),
            (r"$51.98_{\pm 0.23}$", "51.98± 0.23"),
            (r"\underline{\textcolor{red}{51.98}}$^\dagger$", "51.98"),
            (r"$\mathbf{51.98} \pm 0.23$", "51.98 ± 0.23"),
            (r"few\_shot\_acc \cite{x}", "few_shot_acc"),
            (r"51.98\,\%", "51.98 %"),
            (r"\multirow{3}{*}{CIFAR}", "CIFAR"),
        ] {
            assert_eq!(plain(cell), seen, "{cell}");
        }
    }

    #[test]
    fn rules_and_spans_are_understood() {
        let tables = tables(
            "\\begin{tabular*}{\\linewidth}{@{}lcc@{}}\\toprule & \\multicolumn{2}{c}{a \\& b} \\\\ \\cmidrule(lr){2-3}\n\
             x & y & z \\\\[2pt] \\midrule % words\n m & 1 & 2 \\\\ \\bottomrule \\end{tabular*}",
        );
        let rows = &tables[0].rows;
        assert_eq!(rows.iter().map(|row| row.is_heading).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!((rows[0].cells[1].text.as_str(), rows[0].cells[1].span), ("a & b", 2));
        assert_eq!(rows[2].cells[2].text, "2");
    }
}
