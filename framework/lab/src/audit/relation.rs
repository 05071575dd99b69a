//! What the figures of one row say of each other.

use super::figure::{Figure, Span};
use super::layout::Section;
use super::quantity::{Quantity, is_balanced};

/// An identity between columns that holds in every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// Two columns hold the same quantity.
    Same(usize, usize),
    /// On a balanced test set, overall accuracy is the mean of group accuracies weighted by the number of classes.
    Weighted {
        /// Column of the overall accuracy.
        overall: usize,
        /// Columns of the groups.
        groups: [usize; 3],
    },
}

impl Relation {
    /// The columns that it binds.
    pub(super) fn columns(self) -> Vec<usize> {
        match self {
            Self::Same(a, b) => vec![a, b],
            Self::Weighted { overall, groups } => [overall].into_iter().chain(groups).collect(),
        }
    }

    /// Where the figure of `column` must lie, given the others; `None` where one of them is missing.
    pub(super) fn implied(
        self,
        column: usize,
        classes: Option<[f64; 3]>,
        figure: impl Fn(usize) -> Option<Figure>,
    ) -> Option<Span> {
        match self {
            Self::Same(a, b) => Some(figure(if a == column { b } else { a })?.span()),
            Self::Weighted { overall, groups } => {
                let classes = classes?;
                let total: f64 = classes.iter().sum();
                let (mut value, mut half, mut own) = (0.0, 0.0, 1.0);
                for (group, classes) in groups.into_iter().zip(classes) {
                    let weight = classes / total;
                    if group == column {
                        own = weight;
                    } else if weight > 0.0 {
                        let other = figure(group)?;
                        value += weight * other.value;
                        half += weight * other.half;
                    }
                }
                if overall == column {
                    return Some(Span::around(value, half));
                }
                let overall = figure(overall)?;
                (own > 0.0).then(|| Span::around((overall.value - value) / own, (half + overall.half) / own))
            }
        }
    }

    /// Whether the figures of a row contradict it; `None` where one is missing.
    pub(super) fn holds(
        self,
        classes: Option<[f64; 3]>,
        figure: impl Fn(usize) -> Option<Figure>,
    ) -> Option<bool> {
        let column = self.columns()[0];
        let implied = self.implied(column, classes, &figure)?;
        Some(implied.gap(figure(column)?.span()) <= 1e-9)
    }
}

/// All identities that the headings of a section promise.
pub(super) fn relations(section: &Section) -> Vec<Relation> {
    let columns = &section.columns;
    let accuracies: Vec<usize> = (0..columns.len())
        .filter(|&at| matches!(columns[at].quantity, Quantity::Overall | Quantity::Group(_)))
        .collect();
    let mut relations = Vec::new();
    for (position, &a) in accuracies.iter().enumerate() {
        for &b in &accuracies[position + 1..] {
            if columns[a].quantity == columns[b].quantity && is_same(&columns[a].setting, &columns[b].setting)
            {
                relations.push(Relation::Same(a, b));
            }
        }
    }
    for &overall in accuracies.iter().filter(|&&at| columns[at].quantity == Quantity::Overall) {
        if !stands_on_balanced(section, overall) {
            continue;
        }
        // The nearest group columns: a setting may be printed twice.
        let group = |group: usize| {
            let same = |&&at: &&usize| {
                columns[at].quantity == Quantity::Group(group)
                    && columns[at].setting == columns[overall].setting
            };
            accuracies.iter().filter(same).min_by_key(|at| at.abs_diff(overall)).copied()
        };
        if let (Some(many), Some(medium), Some(few)) = (group(0), group(1), group(2)) {
            relations.push(Relation::Weighted { overall, groups: [many, medium, few] });
        }
    }
    relations
}

/// Whether a column is about a balanced test set: its headings say so, or no heading of the section says anything else.
pub(super) fn stands_on_balanced(section: &Section, column: usize) -> bool {
    is_balanced(&section.columns[column].setting)
        .unwrap_or_else(|| section.columns.iter().all(|column| is_balanced(&column.setting) != Some(false)))
}

/// Whether two settings are one, where the shorter leaves outer headings out.
fn is_same(a: &[String], b: &[String]) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    !short.is_empty() && long.ends_with(short)
}
