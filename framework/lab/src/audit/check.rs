//! The order in which a document is checked.

use super::facts::Facts;
use super::figure::{Figures, leaves_zeros_out};
use super::finding::Report;
use super::series::{self, Conventions, Series};
use super::sheet::Sheet;
use super::source::Document;
use super::{rows, runs, single};

/// Checks every cell of a document.
pub fn audit(document: &Document, facts: &Facts) -> Report {
    let zeros = leaves_zeros_out(&document.sections, document.notation);
    let figures: Vec<Figures> =
        document.sections.iter().map(|section| Figures::new(section, document.notation, zeros)).collect();
    let series: Vec<Vec<Series>> = document
        .sections
        .iter()
        .zip(&figures)
        .map(|(section, figures)| series::all(section, figures))
        .collect();
    let (conventions, votes) = series::conventions(figures.iter().zip(series.iter().map(Vec::as_slice)));
    let mut report = Report::default();
    let (mut identities, mut summaries, mut shares) = (0, [0, 0], 0);
    for ((section, figures), series) in document.sections.iter().zip(&figures).zip(&series) {
        let mut sheet = Sheet::new(section, figures, series, conventions, facts);
        single::malformed(&mut sheet);
        single::not_numbers(&mut sheet);
        identities += rows::check(&mut sheet, &mut report.notes);
        let [means, deviations] = runs::check(&mut sheet);
        summaries[0] += means;
        summaries[1] += deviations;
        shares += single::shares(&mut sheet, &mut report.notes);
        single::outliers(&mut sheet);
        report.findings.extend(sheet.findings());
    }
    let checked = format!(
        "checked {} means and {} deviations of runs, {identities} identities within rows, {shares} shares of test images",
        summaries[0], summaries[1]
    );
    report.notes.insert(0, checked);
    report.notes.extend(deviations(conventions, votes));
    report
}

/// Which deviation the document prints.
fn deviations(conventions: Conventions, [sample, population]: [usize; 2]) -> Option<String> {
    let total = sample + population;
    (total > 0).then(|| {
        if conventions.population {
            format!("deviations are population deviations (n), as {population} of {total} show")
        } else {
            format!("deviations are sample deviations (n − 1), as {sample} of {total} show")
        }
    })
}
