//! A section on the table of the auditor: its figures, what is known, and what was found so far.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::figure::{Figure, Figures};
use super::finding::{Class, Finding};
use super::layout::Section;
use super::quantity::{Kind, Quantity};
use super::relation::{Relation, relations, stands_on_balanced};
use super::series::{Conventions, Series};

/// What was found out about a cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) class: Class,
    pub(super) corrected: Option<String>,
    pub(super) reason: String,
}

/// A figure that stands for a wrong one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Settled {
    pub(super) figure: Figure,
    /// Whether the table determines it to all printed digits.
    pub(super) is_exact: bool,
}

/// A section under audit. Cells are named by row and column.
#[derive(Debug)]
pub(super) struct Sheet<'a> {
    pub(super) section: &'a Section,
    pub(super) figures: &'a Figures,
    pub(super) series: &'a [Series],
    pub(super) conventions: Conventions,
    pub(super) relations: Vec<Relation>,
    facts: &'a Facts,
    /// Per row, the number of classes with many, a medium number of, and few training images.
    classes: Vec<Option<[f64; 3]>>,
    /// Per row, the test images of each class, where figures with many digits give it away.
    images_per_class: Vec<Option<f64>>,
    pub(super) found: BTreeMap<(usize, usize), Found>,
    pub(super) settled: BTreeMap<(usize, usize), Settled>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(
        section: &'a Section,
        figures: &'a Figures,
        series: &'a [Series],
        conventions: Conventions,
        facts: &'a Facts,
    ) -> Self {
        let classes: Vec<_> = (0..section.rows.len())
            .map(|row| printed_classes(section, figures, row).or_else(|| facts.class_counts()))
            .collect();
        let mut sheet = Self {
            section,
            figures,
            series,
            conventions,
            relations: relations(section),
            facts,
            images_per_class: vec![None; classes.len()],
            classes,
            found: BTreeMap::new(),
            settled: BTreeMap::new(),
        };
        sheet.images_per_class = sheet
            .classes
            .iter()
            .map(|&classes| classes.and_then(|classes| sheet.inferred_images(classes)))
            .collect();
        sheet
    }

    /// The figure of a cell, corrected where it had to be.
    pub(super) fn figure(&self, row: usize, column: usize) -> Option<Figure> {
        self.settled.get(&(row, column)).map(|settled| settled.figure).or(self.printed(row, column))
    }

    /// The figure as printed.
    pub(super) fn printed(&self, row: usize, column: usize) -> Option<Figure> {
        self.figures.cell_at(row, column).figure
    }

    pub(super) fn classes(&self, row: usize) -> Option<[f64; 3]> {
        self.classes[row]
    }

    /// Whether the row's figures were measured, or are means whose runs the table does not print.
    pub(super) fn stands_alone(&self, row: usize) -> bool {
        let Kind::Mean = self.section.rows[row].kind else {
            return self.section.rows[row].kind != Kind::Deviation;
        };
        let block = self.section.rows[row].block;
        !self.section.rows.iter().any(|other| other.block == block && other.kind == Kind::Seed)
    }

    /// The number of test images of which the cell is a share, where it is known; not for a mean over runs.
    pub(super) fn images(&self, row: usize, column: usize) -> Option<f64> {
        let is_mean = self.section.rows[row].kind == Kind::Mean
            || self.figures.cell_at(row, column).deviation.is_some();
        if is_mean || self.section.rows[row].kind == Kind::Deviation {
            return None;
        }
        let quantity = self.section.columns[column].quantity;
        if quantity == Quantity::Overall {
            let given =
                self.section.columns[column].setting.iter().rev().find_map(|key| self.facts.images(key));
            if given.is_some() {
                return given;
            }
        }
        if !stands_on_balanced(self.section, column) {
            return None;
        }
        let classes = self.classes[row];
        let total: Option<f64> = classes.map(|classes| classes.iter().sum());
        let per_class = self.images_per_class[row];
        match quantity {
            Quantity::Overall => {
                self.facts.samples.map(|samples| samples as f64).or_else(|| Some(per_class? * total?))
            }
            Quantity::Group(group) => {
                let per_class = per_class.or_else(|| Some(self.facts.samples? as f64 / total?))?;
                let images = per_class * classes?[group];
                (images > 0.0 && (images - images.round()).abs() < 1e-6).then_some(images)
            }
            Quantity::Classes(_) | Quantity::Other => None,
        }
    }

    /// The smallest number of images of each class for which every precise figure is a share of the images, if so many
    /// figures are that precise that this cannot be chance.
    fn inferred_images(&self, classes: [f64; 3]) -> Option<f64> {
        if self.facts.samples.is_some() {
            return None;
        }
        let total: f64 = classes.iter().sum();
        let mut shares: Vec<(Figure, f64)> = Vec::new();
        for row in (0..self.section.rows.len()).filter(|&row| self.classes[row] == Some(classes)) {
            if !matches!(self.section.rows[row].kind, Kind::Seed | Kind::Single) {
                continue;
            }
            for (column, description) in self.section.columns.iter().enumerate() {
                let count = match description.quantity {
                    Quantity::Overall => total,
                    Quantity::Group(group) => classes[group],
                    Quantity::Classes(_) | Quantity::Other => continue,
                };
                let cell = self.figures.cell_at(row, column);
                if let (Some(figure), None, true) =
                    (cell.figure, cell.deviation, stands_on_balanced(self.section, column))
                {
                    shares.push((figure, count));
                }
            }
        }
        (1..=1000).map(f64::from).find(|per_class| {
            let width = |&(figure, count): &(Figure, f64)| 2.0 * figure.half / 100.0 * count * per_class;
            let precise: Vec<_> = shares.iter().filter(|share| width(share) < 0.1).collect();
            let misses =
                precise.iter().filter(|(figure, count)| !is_share(*figure, count * per_class)).count();
            let chance: f64 = precise.iter().map(|share| width(share).log10()).sum();
            chance < -8.0 && misses * 20 <= precise.len()
        })
    }

    pub(super) fn find(
        &mut self,
        row: usize,
        column: usize,
        class: Class,
        corrected: Option<String>,
        reason: String,
    ) {
        self.found.insert((row, column), Found { class, corrected, reason });
    }

    /// Puts `value` in place of a wrong figure.
    pub(super) fn settle(&mut self, row: usize, column: usize, figure: Figure, is_exact: bool) {
        self.settled.insert((row, column), Settled { figure, is_exact });
    }

    /// The printed text of a cell with a name, for reasons.
    pub(super) fn named(&self, row: usize, column: usize) -> String {
        format!("{} in `{}`", self.figures.cell_at(row, column).printed, self.column_name(column))
    }

    /// The headings of a column, for reasons.
    pub(super) fn column_name(&self, column: usize) -> String {
        join(&self.section.columns[column].path, "column", column)
    }

    /// The findings in the order of the table.
    pub(super) fn findings(self) -> Vec<Finding> {
        let section = self.section;
        let mut found: Vec<_> = self.found.into_iter().collect();
        if section.is_turned {
            found.sort_by_key(|((row, column), _)| (*column, *row));
        }
        let finding = |((row, column), found): ((usize, usize), Found)| {
            let across = join(&section.rows[row].path, "row", row);
            let down = join(&section.columns[column].path, "column", column);
            let (row_name, column_name) = if section.is_turned { (down, across) } else { (across, down) };
            Finding {
                row: row_name,
                column: column_name,
                printed: self.figures.cell_at(row, column).printed.clone(),
                class: found.class,
                corrected: found.corrected,
                reason: found.reason,
            }
        };
        found.into_iter().map(finding).collect()
    }
}

/// Whether a figure can be a whole number of images out of `images`.
pub(super) fn is_share(figure: Figure, images: f64) -> bool {
    let nearest = (figure.value / 100.0 * images).round() / images * 100.0;
    (nearest - figure.value).abs() <= figure.half + 1e-9
}

fn printed_classes(section: &Section, figures: &Figures, row: usize) -> Option<[f64; 3]> {
    let count = |group: usize| {
        let column = section.columns.iter().position(|column| column.quantity == Quantity::Classes(group))?;
        figures.cell_at(row, column).figure.map(|figure| figure.value)
    };
    let classes = [count(0)?, count(1)?, count(2)?];
    (classes.iter().sum::<f64>() > 0.0).then_some(classes)
}

fn join(path: &[String], what: &str, at: usize) -> String {
    if path.is_empty() { format!("{what} {}", at + 1) } else { path.join(" / ") }
}
