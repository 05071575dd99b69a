//! LaTeX with `booktabs` rules.

use std::iter;

use super::layout::{Entry, Layout, Line, Shown, document, sign};
use super::model::Table;

/// Renders a table as a LaTeX `table`. It needs `\usepackage{booktabs}` and nothing else.
pub(super) fn render(table: &Table) -> String {
    let layout = Layout::of(table);
    let stub = 1 + usize::from(layout.row_groups);
    let mut lines = vec![
        r"\begin{table}".to_owned(),
        r"\centering".to_owned(),
        format!(r"\caption{{{}}}", escape(&table.title)),
        format!(r"\begin{{tabular}}{{{}{}}}", "l".repeat(stub), "r".repeat(table.columns.len())),
        r"\toprule".to_owned(),
    ];
    if !layout.spans.is_empty() {
        lines.extend(group_headings(&layout, stub));
    }
    let headings = table.columns.iter().map(|column| escape(&column.heading()));
    let stubs = iter::repeat_n(String::new(), stub - 1).chain(iter::once(escape(&table.row_heading)));
    lines.push(row(stubs.chain(headings)));
    lines.push(r"\midrule".to_owned());
    for line in &layout.lines {
        if line.starts_group {
            lines.push(r"\midrule".to_owned());
        }
        lines.extend(rows(line, layout.row_groups));
    }
    lines.extend([r"\bottomrule".to_owned(), r"\end{tabular}".to_owned()]);
    let footnotes = layout.footnotes.iter().enumerate();
    let notes = footnotes
        .map(|(position, footnote)| format!("{} {}", superscript(Some(position)), escape(footnote)))
        .chain(table.notes.iter().map(|note| escape(note)));
    lines.extend(notes.map(|note| format!(r"\par\smallskip{{\footnotesize {note}\par}}")));
    lines.push(r"\end{table}".to_owned());
    document(&lines)
}

/// The group headings and the partial rules below them.
fn group_headings(layout: &Layout<'_>, stub: usize) -> [String; 2] {
    let mut first = stub + 1;
    let mut cells = vec![String::new(); stub];
    let mut rules = Vec::new();
    for (group, columns) in &layout.spans {
        let last = first + columns - 1;
        cells.push(match group {
            Some(group) => format!(r"\multicolumn{{{columns}}}{{c}}{{{}}}", escape(group)),
            None => iter::repeat_n("", *columns).collect::<Vec<_>>().join(" & "),
        });
        if group.is_some() {
            rules.push(format!(r"\cmidrule(lr){{{first}-{last}}}"));
        }
        first = last + 1;
    }
    [row(cells.into_iter()), rules.join(" ")]
}

/// The row, and a second one for intervals where there are any.
fn rows(line: &Line<'_>, row_groups: bool) -> Vec<String> {
    let group = row_groups.then(|| line.group.map(escape).unwrap_or_default());
    let label = format!("{}{}", escape(line.label), superscript(line.footnote));
    let stub = 1 + usize::from(row_groups);
    let mut rows = vec![row(group.into_iter().chain(iter::once(label)).chain(line.entries.iter().map(cell)))];
    if line.entries.iter().any(|entry| entry.interval.is_some()) {
        let intervals = line.entries.iter().map(|entry| match &entry.interval {
            Some(interval) => format!(r"{{\scriptsize ${interval}$}}"),
            None => String::new(),
        });
        rows.push(row(iter::repeat_n(String::new(), stub).chain(intervals)));
    }
    rows
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let cells = cells.collect::<Vec<_>>().join(" & ");
    // A row that starts with `[` would be taken for an argument of the `\\` above it.
    let guard = if cells.starts_with('[') { "{}" } else { "" };
    format!(r"{guard}{} \\", cells.trim())
}

fn cell(entry: &Entry<'_>) -> String {
    let body = match &entry.shown {
        Shown::Figure { mean, deviation } => figure(mean, deviation.as_deref(), entry.best),
        Shown::Words(words) => escape(words),
        Shown::Missing => "--".to_owned(),
    };
    format!("{body}{}", superscript(entry.footnote))
}

/// A number in mathematics, so that a minus sign looks like one; `–` stands for a number that does not exist.
fn figure(mean: &str, deviation: Option<&str>, best: bool) -> String {
    if mean == "–" {
        return "--".to_owned();
    }
    let body = match deviation {
        Some(deviation) => format!(r"{mean} \pm {deviation}"),
        None => mean.to_owned(),
    };
    if best { format!(r"$\mathbf{{{body}}}$") } else { format!("${body}$") }
}

fn superscript(footnote: Option<usize>) -> String {
    footnote.map(|at| format!(r"\textsuperscript{{{}}}", sign(at))).unwrap_or_default()
}

/// Words that LaTeX prints as they are, in pdfTeX too: the signs that our own notes use become commands.
fn escape(words: &str) -> String {
    let mut escaped = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', c]),
            '~' => escaped.push_str(r"\textasciitilde{}"),
            '^' => escaped.push_str(r"\textasciicircum{}"),
            '\\' => escaped.push_str(r"\textbackslash{}"),
            '`' => escaped.push_str(r"\textasciigrave{}"),
            '<' => escaped.push_str("$<$"),
            '>' => escaped.push_str("$>$"),
            '|' => escaped.push_str("$|$"),
            '–' => escaped.push_str("--"),
            '−' => escaped.push_str("$-$"),
            '±' => escaped.push_str(r"$\pm$"),
            '×' => escaped.push_str(r"$\times$"),
            '≤' => escaped.push_str(r"$\leq$"),
            '√' => escaped.push_str(r"$\surd$"),
            '↑' => escaped.push_str(r"$\uparrow$"),
            '↓' => escaped.push_str(r"$\downarrow$"),
            c if c.is_whitespace() || c.is_control() => escaped.push(' '),
            c => match greek(c) {
                Some(name) => escaped.push_str(&format!(r"$\{name}$")),
                None => escaped.push(c),
            },
        }
    }
    escaped.trim().to_owned()
}

/// The command of a Greek letter, since arms are called after their hyperparameters and pdfTeX knows no such letter.
fn greek(letter: char) -> Option<&'static str> {
    let name = match letter {
        'α' => "alpha",
        'β' => "beta",
        'γ' => "gamma",
        'δ' => "delta",
        'ε' => "varepsilon",
        'η' => "eta",
        'θ' => "theta",
        'κ' => "kappa",
        'λ' => "lambda",
        'μ' => "mu",
        'π' => "pi",
        'ρ' => "rho",
        'σ' => "sigma",
        'τ' => "tau",
        'φ' => "varphi",
        'χ' => "chi",
        'ψ' => "psi",
        'ω' => "omega",
        _ => return None,
    };
    Some(name)
}
