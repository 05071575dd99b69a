//! Which cell of a row is wrong when its figures contradict each other, and what it should be.
//!
//! The cell that explains most of the contradictions is the wrong one. Where several explain as much, the rest of the table
//! is asked: a mean and deviation that only the corrected figure gives, runs that it lies among, a slip of the hand.

use super::figure::{Figure, Span};
use super::finding::Class;
use super::quantity::Kind;
use super::relation::Relation;
use super::series::deviation;
use super::sheet::{Sheet, is_share};
use super::single::{limit, others};

/// A cell that may be the wrong one.
#[derive(Debug, Clone)]
struct Suspect {
    column: usize,
    /// The contradictions that it would explain.
    explains: usize,
    /// Where its figure would have to lie.
    span: Span,
    /// The evidence of the rest of the table.
    score: i32,
    /// Whether the printed mean and deviation are those of the corrected figure.
    repairs_series: bool,
}

/// How much more evidence the first suspect must have than the second.
const LEAD: i32 = 2;

/// Checks every row. Returns how many identities were checked.
pub(super) fn check(sheet: &mut Sheet<'_>, notes: &mut Vec<String>) -> usize {
    let rows: Vec<usize> = (0..sheet.section.rows.len()).filter(|&row| sheet.stands_alone(row)).collect();
    accept_relations(sheet, &rows, notes);
    let mut checked = 0;
    for row in rows {
        complete(sheet, row);
        checked += sheet.relations.iter().filter(|&&relation| holds(sheet, row, relation).is_some()).count();
        diagnose(sheet, row);
    }
    checked
}

fn holds(sheet: &Sheet<'_>, row: usize, relation: Relation) -> Option<bool> {
    relation.holds(sheet.classes(row), |column| sheet.figure(row, column))
}

fn implied(sheet: &Sheet<'_>, row: usize, relation: Relation, column: usize) -> Option<Span> {
    if !relation.columns().contains(&column) {
        return None;
    }
    relation.implied(column, sheet.classes(row), |column| sheet.figure(row, column))
}

/// Keeps the identities that most rows follow: the others were read into the headings wrongly.
fn accept_relations(sheet: &mut Sheet<'_>, rows: &[usize], notes: &mut Vec<String>) {
    let mut relations = std::mem::take(&mut sheet.relations);
    relations.retain(|&relation| {
        let verdicts: Vec<bool> = rows.iter().filter_map(|&row| holds(sheet, row, relation)).collect();
        let wrong = verdicts.iter().filter(|&&verdict| !verdict).count();
        let is_accepted = wrong <= 1 || wrong * 5 <= verdicts.len() * 2;
        if !is_accepted {
            let columns =
                relation.columns().into_iter().map(|column| format!("`{}`", sheet.column_name(column)));
            let columns = columns.collect::<Vec<_>>().join(", ");
            notes.push(format!(
                "not checked, since {wrong} of {} rows contradict it: {} of {columns}",
                verdicts.len(),
                match relation {
                    Relation::Same(..) => "equality",
                    Relation::Weighted { .. } =>
                        "weighted mean (are the class numbers right, the test set balanced?)",
                }
            ));
        }
        is_accepted
    });
    sheet.relations = relations;
}

/// Corrects cells without a readable figure by what the rest of the row implies.
fn complete(sheet: &mut Sheet<'_>, row: usize) {
    for column in 0..sheet.section.columns.len() {
        let cell = sheet.figures.cell_at(row, column);
        if cell.problem.is_none() && !cell.is_nan {
            continue;
        }
        let spans = sheet.relations.iter().filter_map(|&relation| implied(sheet, row, relation, column));
        let Some(span) = spans.map(Some).reduce(|a, b| a?.and(b?)).flatten() else { continue };
        let repaired = sheet.settled.get(&(row, column)).map(|settled| settled.figure);
        if repaired.is_some_and(|figure| figure.span().gap(span) <= 1e-9) {
            continue;
        }
        let images = sheet.images(row, column);
        let settled = sheet.figures.settle(sheet.section, row, column, span, images);
        let corrected = settled.map(|figure| sheet.figures.written(sheet.section, row, column, figure.value));
        let needs = sheet.figures.written_span(sheet.section, row, column, span);
        let mut found = sheet.found.get(&(row, column)).cloned().unwrap_or_else(|| super::sheet::Found {
            class: Class::Suspicious,
            corrected: None,
            reason: "not a number".to_owned(),
        });
        found.reason = format!("{}; the row needs {needs}", found.reason);
        found.corrected = corrected;
        sheet.found.insert((row, column), found);
        sheet.settle(row, column, settled.unwrap_or(span.figure()), settled.is_some());
    }
}

fn diagnose(sheet: &mut Sheet<'_>, row: usize) {
    let mut open = sheet.relations.clone();
    loop {
        let violated: Vec<Relation> =
            open.iter().copied().filter(|&relation| holds(sheet, row, relation) == Some(false)).collect();
        if violated.is_empty() {
            return;
        }
        let mut suspects = suspects(sheet, row, &open, &violated);
        if suspects.is_empty() {
            // No single cell explains all: take one contradiction at a time.
            let alone = &violated[..1];
            suspects = self::suspects(sheet, row, alone, alone);
        }
        suspects.sort_by_key(|suspect| std::cmp::Reverse(suspect.score));
        match &suspects[..] {
            [] => return,
            [first, second, ..] if first.score < second.score + LEAD => {
                doubt(sheet, row, &suspects, &violated);
            }
            [first, ..] => convict(sheet, row, first, &open),
        }
        // Each turn takes something away, so that this ends.
        match suspects.first() {
            Some(first) if sheet.settled.contains_key(&(row, first.column)) => {
                let column = first.column;
                open.retain(|&relation| {
                    !relation.columns().contains(&column) || holds(sheet, row, relation) == Some(true)
                });
            }
            _ => open.retain(|relation| !violated.contains(relation)),
        }
    }
}

fn suspects(sheet: &Sheet<'_>, row: usize, open: &[Relation], violated: &[Relation]) -> Vec<Suspect> {
    let mut columns: Vec<usize> = violated.iter().flat_map(|relation| relation.columns()).collect();
    columns.sort_unstable();
    columns.dedup();
    columns.retain(|&column| !sheet.settled.contains_key(&(row, column)));
    let explained =
        |column: usize| violated.iter().filter(|relation| relation.columns().contains(&column)).count();
    let mut suspects: Vec<Suspect> = Vec::new();
    for column in columns {
        let spans = |relations: &[Relation]| {
            let spans = relations.iter().filter_map(|&relation| implied(sheet, row, relation, column));
            spans.map(Some).reduce(|a, b| a?.and(b?)).flatten()
        };
        let accuracies = Span { low: 0.0, high: 100.0 };
        let Some(span) = spans(open).and_then(|span| span.and(accuracies)) else { continue };
        let mut suspect =
            Suspect { column, explains: explained(column), span, score: 0, repairs_series: false };
        weigh(sheet, row, &mut suspect);
        suspects.push(suspect);
    }
    let most = suspects.iter().map(|suspect| suspect.explains).max().unwrap_or(0);
    suspects.retain(|suspect| suspect.explains == most);
    suspects
}

/// Adds up the evidence of the rest of the table.
fn weigh(sheet: &Sheet<'_>, row: usize, suspect: &mut Suspect) {
    let column = suspect.column;
    let Some(printed) = sheet.printed(row, column) else { return };
    if sheet.figures.is_slip_into(sheet.section, row, column, suspect.span) {
        suspect.score += 3;
    }
    if sheet.images(row, column).is_some_and(|images| !is_share(printed, images)) {
        suspect.score += 4;
    }
    let is_here = |series: &&super::series::Series| series.column == column && series.runs.contains(&row);
    let Some(series) = sheet.series.iter().find(is_here) else { return };
    let others = others(sheet, series, row);
    if let Some((mean, near)) = limit(&others, 0.05) {
        let is_far = |value: f64| (value - mean).abs() > near;
        suspect.score += 4 * (i32::from(is_far(printed.value)) - i32::from(is_far(suspect.span.centre())));
    }
    if others.len() + 1 != series.runs.len() {
        return;
    }
    let with = |figure: Figure| {
        let mut runs = others.clone();
        runs.push(figure);
        runs
    };
    if series.verdict(sheet.figures, &with(printed), sheet.conventions).is_clean() {
        return;
    }
    let needed = series.needed(sheet.figures, &others, sheet.conventions);
    let Some(span) = needed.and_then(|needed| needed.and(suspect.span)) else { return };
    let half = span.figure().half;
    let spread = deviation(&with(span.figure()), sheet.conventions);
    let agrees = series.printed_deviation(sheet.figures).zip(spread).is_none_or(|(printed, spread)| {
        (printed.value - spread).abs() <= printed.half + half + mean_half(&others)
    });
    if agrees {
        suspect.score += 10;
        suspect.span = span;
        suspect.repairs_series = true;
    }
}

fn mean_half(figures: &[Figure]) -> f64 {
    figures.iter().map(|figure| figure.half).sum::<f64>() / figures.len().max(1) as f64
}

/// Corrects the suspect.
fn convict(sheet: &mut Sheet<'_>, row: usize, suspect: &Suspect, open: &[Relation]) {
    let column = suspect.column;
    let Some(printed) = sheet.printed(row, column) else { return };
    let images = sheet.images(row, column);
    let settled = sheet.figures.settle(sheet.section, row, column, suspect.span, images);
    let corrected = settled.map(|figure| sheet.figures.written(sheet.section, row, column, figure.value));
    let is_one_image = images.is_some_and(|images| printed.span().gap(suspect.span) <= 100.0 / images);
    let class = if is_one_image { Class::OffByOneSample } else { Class::Contradicted };
    let mut reasons: Vec<String> =
        open.iter().filter_map(|&relation| reason(sheet, row, column, relation)).collect();
    if suspect.repairs_series {
        reasons.push("the printed mean and deviation need that figure".to_owned());
    }
    if is_one_image {
        reasons
            .push("one test image: it may have been measured twice, where a tie fell otherwise".to_owned());
    }
    sheet.find(row, column, class, corrected, reasons.join("; "));
    sheet.settle(row, column, settled.unwrap_or(suspect.span.figure()), settled.is_some());
}

/// Reports a contradiction of which no cell is surely the cause, at the likeliest one.
fn doubt(sheet: &mut Sheet<'_>, row: usize, suspects: &[Suspect], violated: &[Relation]) {
    let column = suspects[0].column;
    let Some(&relation) = violated.iter().find(|relation| relation.columns().contains(&column)) else {
        return;
    };
    let needs: Vec<String> = suspects
        .iter()
        .map(|suspect| {
            let needed = sheet.figures.written_span(sheet.section, row, suspect.column, suspect.span);
            format!("{} would have to be {needed}", sheet.named(row, suspect.column))
        })
        .collect();
    let what = match relation {
        Relation::Same(..) => "the same quantity is printed twice, differently",
        Relation::Weighted { .. } => {
            "overall accuracy is not the mean of the groups weighted by their classes"
        }
    };
    let one_image = suspects.iter().all(|suspect| {
        sheet
            .images(row, suspect.column)
            .zip(sheet.printed(row, suspect.column))
            .is_some_and(|(images, printed)| printed.span().gap(suspect.span) <= 100.0 / images)
    });
    let class = if one_image { Class::OffByOneSample } else { Class::Contradicted };
    sheet.find(row, column, class, None, format!("{what}; one is wrong: {}", needs.join("; ")));
}

/// What a relation says of the cell, in words.
fn reason(sheet: &Sheet<'_>, row: usize, column: usize, relation: Relation) -> Option<String> {
    let span = implied(sheet, row, relation, column)?;
    let needs = || sheet.figures.written_span(sheet.section, row, column, span);
    Some(match relation {
        Relation::Same(a, b) => {
            let other = if a == column { b } else { a };
            format!("the same quantity is {}", sheet.named(row, other))
        }
        Relation::Weighted { overall, .. } if overall == column => {
            format!("the groups, weighted by their classes, give {}", needs())
        }
        Relation::Weighted { overall, .. } => {
            format!("{} and the other groups need {}", sheet.named(row, overall), needs())
        }
    })
}

/// Whether the identities of a row leave room for a figure in `span`.
pub(super) fn allow(sheet: &Sheet<'_>, row: usize, column: usize, span: Span) -> bool {
    if !sheet.stands_alone(row) || sheet.section.rows[row].kind == Kind::Mean {
        return true;
    }
    let implied = sheet.relations.iter().filter_map(|&relation| implied(sheet, row, relation, column));
    implied.into_iter().all(|implied| implied.gap(span) <= 1e-9)
}
