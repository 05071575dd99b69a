//! From a grid of words to rows and columns with a meaning.

use super::number::is_figure;
use super::quantity::{Kind, Quantity, is_run, kind, quantity, setting};
use super::raw::{RawRow, RawTable};

/// The part of a table below one set of headings, turned so that runs are rows.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    /// Whether rows and columns changed places.
    pub(super) is_turned: bool,
}

/// A column of figures.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// Headings from top to bottom.
    pub(super) path: Vec<String>,
    pub(super) quantity: Quantity,
    /// See [`setting`].
    pub(super) setting: Vec<String>,
}

/// A row of figures.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Rows of one block are runs of the same thing, with their mean and deviation.
    pub(super) block: usize,
    /// The block's titles and the row's label.
    pub(super) path: Vec<String>,
    pub(super) kind: Kind,
    /// One text per column.
    pub(super) cells: Vec<String>,
}

impl Column {
    fn new(path: Vec<String>) -> Self {
        let quantity = path.last().map_or(Quantity::Other, |leaf| quantity(leaf));
        Self { quantity, setting: setting(&path), path }
    }
}

/// A heading over columns.
#[derive(Debug, Clone)]
struct Heading {
    start: usize,
    columns: usize,
    text: String,
}

/// A row on the grid: for each column its text, and the headings that it would make.
struct Line {
    texts: Vec<String>,
    spans: Vec<Heading>,
    is_heading: bool,
}

/// Cuts a table at every change of its headings.
pub(super) fn sections(table: &RawTable) -> Vec<Section> {
    let width = table.rows.iter().map(|row| row.cells.iter().map(|cell| cell.span).sum()).max().unwrap_or(0);
    let lines: Vec<Line> = table.rows.iter().map(|row| line(row, width)).collect();
    let stubs = stubs(&lines, width);
    let mut builder = Builder::new(width, stubs);
    for (at, line) in lines.iter().enumerate() {
        let is_last_heading = !lines.get(at + 1).is_some_and(|next| next.is_heading);
        if line.is_heading {
            builder.heading(line, !table.has_spans && !is_last_heading);
        } else if line.texts.iter().skip(1).all(String::is_empty) {
            builder.title(&line.texts[0]);
        } else {
            builder.row(line);
        }
    }
    builder.finish()
}

fn line(row: &RawRow, width: usize) -> Line {
    let (mut texts, mut spans) = (Vec::with_capacity(width), Vec::new());
    for cell in &row.cells {
        spans.push(Heading { start: texts.len(), columns: cell.span, text: cell.text.clone() });
        texts.push(cell.text.clone());
        texts.extend(std::iter::repeat_n(String::new(), cell.span - 1));
    }
    texts.resize(width, String::new());
    let beyond_label = || row.cells.iter().skip(1).filter(|cell| !cell.text.is_empty());
    // A title over the whole width is no heading of columns.
    let is_title = row.cells.len() == 1;
    let words =
        beyond_label().any(|cell| !is_dash(&cell.text)) && !beyond_label().any(|cell| is_figure(&cell.text));
    Line { texts, spans, is_heading: (row.is_heading || words) && !is_title }
}

fn is_dash(text: &str) -> bool {
    text.chars().all(|c| "-–—/ ".contains(c))
}

/// The number of leading columns that label rows.
fn stubs(lines: &[Line], width: usize) -> usize {
    let is_stub = |column: usize| {
        let below = |heading: bool| lines.iter().filter(move |line| line.is_heading == heading);
        let texts = || below(false).map(|line| &line.texts[column]).filter(|text| !text.is_empty());
        let headings = || below(true).map(|line| &line.texts[column]).filter(|text| !text.is_empty());
        let has_words = texts().any(|text| !is_figure(text) && !is_dash(text));
        let has_figures = texts().any(|text| is_figure(text));
        headings().any(|heading| is_run(heading))
            || (column == 0 && (has_words || headings().next().is_none()))
            || (has_words && !has_figures)
    };
    (0..width.saturating_sub(1)).take_while(|&column| is_stub(column)).count()
}

/// Collects rows under the headings in force.
struct Builder {
    width: usize,
    stubs: usize,
    levels: Vec<Vec<Heading>>,
    /// The level that the next row of headings replaces or becomes.
    level: usize,
    follows_heading: bool,
    title: String,
    /// Headings above the columns that label rows.
    stub_headings: Vec<(usize, String)>,
    parents: Vec<String>,
    /// What the rows of a block share.
    blocks: Vec<(usize, Vec<String>)>,
    segment: usize,
    is_segment_closed: bool,
    rows: Vec<Row>,
    sections: Vec<Section>,
}

impl Builder {
    fn new(width: usize, stubs: usize) -> Self {
        Self {
            width,
            stubs,
            levels: Vec::new(),
            level: 0,
            follows_heading: false,
            title: String::new(),
            stub_headings: Vec::new(),
            parents: Vec::new(),
            blocks: Vec::new(),
            segment: 0,
            is_segment_closed: false,
            rows: Vec::new(),
            sections: Vec::new(),
        }
    }

    fn title(&mut self, text: &str) {
        if !text.is_empty() {
            text.clone_into(&mut self.title);
            self.segment += 1;
            self.parents.clear();
        }
        self.is_segment_closed = true;
    }

    /// Takes a row of headings; one whose spans fit an earlier row's replaces what it covers.
    fn heading(&mut self, line: &Line, joins_blanks: bool) {
        self.close();
        let mut new: Vec<Heading> =
            line.spans.iter().filter(|heading| !heading.text.is_empty()).cloned().collect();
        if joins_blanks {
            let ends: Vec<usize> = new.iter().skip(1).map(|next| next.start).chain([self.width]).collect();
            new.iter_mut().zip(ends).for_each(|(heading, end)| heading.columns = end - heading.start);
        }
        if let Some(first) = new.first().filter(|heading| heading.start < self.stubs)
            && !is_generic(&first.text)
        {
            first.text.clone_into(&mut self.title);
        }
        let (stub_headings, new): (Vec<Heading>, Vec<Heading>) =
            new.into_iter().partition(|heading| heading.start < self.stubs);
        self.stub_headings.extend(stub_headings.into_iter().map(|heading| (heading.start, heading.text)));
        let covers = |level: &[Heading], new: &Heading| {
            level.iter().any(|old| (old.start, old.columns) == (new.start, new.columns))
        };
        let fits = |level: &[Heading]| !new.is_empty() && new.iter().all(|new| covers(level, new));
        if !self.follows_heading {
            self.level = self.levels.iter().position(|level| fits(level)).unwrap_or(0);
            if !self.levels.get(self.level).is_some_and(|level| fits(level)) {
                self.levels.clear();
            }
        } else if self.levels.get(self.level).is_some_and(|level| !fits(level)) {
            self.levels.truncate(self.level);
        }
        match self.levels.get_mut(self.level) {
            Some(level) => {
                level.retain(|old| !new.iter().any(|new| new.start == old.start));
                level.extend(new);
            }
            None => self.levels.push(new),
        }
        self.level += 1;
        self.follows_heading = true;
        self.segment += 1;
        self.parents.clear();
    }

    fn row(&mut self, line: &Line) {
        self.follows_heading = false;
        let (stub, cells) = line.texts.split_at(self.stubs);
        let runs: Vec<bool> = (0..self.stubs).map(|column| self.is_run_column(column)).collect();
        // The label is the number of the run where a column holds it, else the last of the stubs.
        let label_at = runs.iter().position(|&run| run).unwrap_or(self.stubs.saturating_sub(1));
        let others: Vec<usize> = (0..self.stubs).filter(|&at| at != label_at).collect();
        self.parents.resize(others.len(), String::new());
        for (parent, &at) in self.parents.iter_mut().zip(&others) {
            if !stub[at].is_empty() {
                stub[at].clone_into(parent);
            }
        }
        let label = stub.get(label_at).cloned().unwrap_or_else(|| format!("row {}", self.rows.len() + 1));
        let is_number = !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit());
        let is_run = runs.get(label_at).copied().unwrap_or(false);
        let mut kind = kind(&label);
        if is_run && is_number {
            kind = Kind::Seed;
        }
        let summarises = matches!(kind, Kind::Mean | Kind::Deviation);
        if self.is_segment_closed && !summarises {
            self.segment += 1;
        }
        self.is_segment_closed = false;
        let block = self.block(kind);
        if kind == Kind::Mean {
            // Rows with bare numbers above a mean are runs.
            let numbered = |row: &&mut Row| {
                row.block == block
                    && row.kind == Kind::Single
                    && row.path.last().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()))
            };
            self.rows.iter_mut().filter(numbered).for_each(|row| row.kind = Kind::Seed);
        }
        let label = if is_run && is_number { format!("seed {label}") } else { label };
        let path = [self.title.clone()].into_iter().chain(self.parents.iter().cloned()).chain([label]);
        let path = path.filter(|part| !part.is_empty()).collect();
        self.rows.push(Row { block, path, kind, cells: cells.to_vec() });
    }

    fn is_run_column(&self, column: usize) -> bool {
        self.stub_headings.iter().any(|(at, heading)| *at == column && is_run(heading))
    }

    /// The block of a row; a run below a mean starts a new one.
    fn block(&mut self, kind: Kind) -> usize {
        let place = |segment: usize, parents: &[String]| (segment, parents.to_vec());
        let wanted = place(self.segment, &self.parents);
        let found = self.blocks.iter().rposition(|block| *block == wanted);
        let is_complete = |block: usize| {
            self.rows.iter().any(|row| row.block == block && matches!(row.kind, Kind::Mean | Kind::Deviation))
        };
        match found {
            Some(block) if kind != Kind::Seed || !is_complete(block) => block,
            Some(_) => {
                self.segment += 1;
                self.blocks.push(place(self.segment, &self.parents));
                self.blocks.len() - 1
            }
            None => {
                self.blocks.push(wanted);
                self.blocks.len() - 1
            }
        }
    }

    /// Ends the section.
    fn close(&mut self) {
        if self.rows.is_empty() {
            return;
        }
        let rows = std::mem::take(&mut self.rows);
        let columns = (self.stubs..self.width).map(|column| Column::new(self.path(column))).collect();
        let section = Section { columns, rows, is_turned: false };
        self.sections.push(if runs_are_columns(&section) { turned(&section) } else { section });
    }

    fn path(&self, column: usize) -> Vec<String> {
        let covers = |heading: &&Heading| (heading.start..heading.start + heading.columns).contains(&column);
        let headings = self.levels.iter().filter_map(|level| level.iter().find(covers));
        headings.map(|heading| heading.text.clone()).collect()
    }

    fn finish(mut self) -> Vec<Section> {
        self.close();
        self.sections
    }
}

/// Headings of the label column that are no title of what is below.
fn is_generic(heading: &str) -> bool {
    is_run(heading)
        || [
            "method", "methods", "model", "models", "row", "name", "arm", "setting", "dataset", "data set",
            "loss",
        ]
        .contains(&heading.trim().to_lowercase().as_str())
}

fn runs_are_columns(section: &Section) -> bool {
    let runs = section
        .columns
        .iter()
        .filter(|column| column.path.last().is_some_and(|leaf| kind(leaf) == Kind::Seed));
    runs.count() >= 2
}

/// Rows as columns.
fn turned(section: &Section) -> Section {
    let columns = section.rows.iter().map(|row| Column::new(row.path.clone())).collect();
    let mut blocks: Vec<&[String]> = Vec::new();
    let mut rows = Vec::new();
    for (at, column) in section.columns.iter().enumerate() {
        let Some((leaf, above)) = column.path.split_last() else { continue };
        let block = blocks.iter().position(|block| *block == above).unwrap_or_else(|| {
            blocks.push(above);
            blocks.len() - 1
        });
        let cells = section.rows.iter().map(|row| row.cells[at].clone()).collect();
        rows.push(Row { block, path: column.path.clone(), kind: kind(leaf), cells });
    }
    Section { columns, rows, is_turned: true }
}
