//! Means and deviations against the runs that they are of.

use super::figure::{Figure, Span};
use super::finding::Class;
use super::rows::allow;
use super::series::{Conventions, Series, Verdict, deviation, mean};
use super::sheet::Sheet;

/// A figure that summarises a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Mean,
    Deviation,
}

impl Part {
    fn of(self, runs: &[Figure], conventions: Conventions) -> Option<f64> {
        match self {
            Self::Mean => mean(runs),
            Self::Deviation => deviation(runs, conventions),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Deviation => "deviation",
        }
    }
}

/// Checks every series. Returns how many means and deviations were checked.
pub(super) fn check(sheet: &mut Sheet<'_>) -> [usize; 2] {
    let mut checked = [0, 0];
    for series in sheet.series {
        checked[0] += usize::from(series.printed_mean(sheet.figures).is_some());
        checked[1] += usize::from(series.printed_deviation(sheet.figures).is_some());
        let unread: Vec<usize> =
            series.runs.iter().copied().filter(|&row| sheet.figure(row, series.column).is_none()).collect();
        match unread[..] {
            [] if series.runs.iter().any(|&row| sheet.settled.contains_key(&(row, series.column))) => {
                follow(sheet, series);
            }
            [] => judge(sheet, series),
            [row] => complete(sheet, series, row),
            _ => {}
        }
        unreadable(sheet, series);
    }
    checked
}

fn runs(sheet: &Sheet<'_>, series: &Series) -> Vec<Figure> {
    series.runs.iter().filter_map(|&row| sheet.figure(row, series.column)).collect()
}

/// Corrects a summary that is no number.
fn unreadable(sheet: &mut Sheet<'_>, series: &Series) {
    let runs = runs(sheet, series);
    if runs.len() != series.runs.len() {
        return;
    }
    for (part, row) in [(Part::Mean, series.mean), (Part::Deviation, series.deviation)] {
        let Some(row) = row.filter(|&row| sheet.figures.cell_at(row, series.column).problem.is_some()) else {
            continue;
        };
        if part == Part::Deviation && series.mean == series.deviation {
            continue;
        }
        let place = (row, series.column);
        let value = part.of(&runs, sheet.conventions);
        let corrected = value.map(|value| sheet.figures.written(sheet.section, row, series.column, value));
        if let Some(found) = sheet.found.get_mut(&place).filter(|found| found.corrected.is_none()) {
            found.corrected = corrected;
        }
    }
}

/// A run that cannot be read: the printed mean may tell it.
fn complete(sheet: &mut Sheet<'_>, series: &Series, row: usize) {
    let others = runs(sheet, series);
    let column = series.column;
    let without = series.verdict(sheet.figures, &others, sheet.conventions);
    if without.is_clean() && (without.mean, without.deviation) != (None, None) {
        for (part, place) in [(Part::Mean, series.mean), (Part::Deviation, series.deviation)] {
            let Some(place) = place.filter(|&place| sheet.figures.cell_at(place, column).figure.is_some())
            else {
                continue;
            };
            let reason = format!("the {} of the other runs: one cannot be read", part.name());
            sheet.find(place, column, Class::Consequence, None, reason);
        }
        return;
    }
    let Some(span) = series.needed(sheet.figures, &others, sheet.conventions) else { return };
    let images = sheet.images(row, column);
    let Some(figure) = sheet.figures.settle(sheet.section, row, column, span, images) else { return };
    let corrected = sheet.figures.written(sheet.section, row, column, figure.value);
    if let Some(found) = sheet.found.get_mut(&(row, column)) {
        found.corrected = Some(corrected);
        found.reason = format!("{}; the printed mean needs it", found.reason);
    }
    sheet.settle(row, column, figure, true);
}

/// Some runs were corrected: do the summaries follow the printed ones?
fn follow(sheet: &mut Sheet<'_>, series: &Series) {
    let column = series.column;
    let corrected = runs(sheet, series);
    let printed: Vec<Figure> = series.runs.iter().filter_map(|&row| sheet.printed(row, column)).collect();
    let untouched = series.runs.iter().filter(|&&row| !sheet.settled.contains_key(&(row, column)));
    let untouched: Vec<Figure> = untouched.filter_map(|&row| sheet.printed(row, column)).collect();
    let is_exact = series
        .runs
        .iter()
        .all(|&row| sheet.settled.get(&(row, column)).is_none_or(|settled| settled.is_exact));
    let (figures, conventions) = (sheet.figures, sheet.conventions);
    let verdict = |runs: &[Figure], exact: bool| {
        series.verdict(figures, runs, if exact { conventions.exact() } else { conventions })
    };
    for (part, row) in [(Part::Mean, series.mean), (Part::Deviation, series.deviation)] {
        let Some(row) = row else { continue };
        let agrees = |runs: &[Figure], exact: bool| {
            let Verdict { mean, deviation } = verdict(runs, exact);
            if part == Part::Mean { mean } else { deviation }
        };
        let (Some(new), Some(value)) = (agrees(&corrected, true), part.of(&corrected, sheet.conventions))
        else {
            continue;
        };
        let old =
            |exact: bool| agrees(&printed, exact) == Some(true) || agrees(&untouched, exact) == Some(true);
        if new {
            continue;
        }
        let class = if old(true) {
            Class::Consequence
        } else if agrees(&corrected, false) == Some(true) {
            continue;
        } else if old(false) {
            Class::Consequence
        } else {
            Class::Contradicted
        };
        let is_malformed = |&row: &usize| figures.cell_at(row, column).problem.is_some();
        let over_others = series.runs.iter().any(is_malformed) && old(false);
        let reason = match class {
            Class::Consequence if over_others => {
                format!("the {} of the runs without the malformed one", part.name())
            }
            Class::Consequence => {
                format!("follows from a wrong run: the {} of the runs as printed", part.name())
            }
            _ => format!("not the {} of the runs, as printed or corrected", part.name()),
        };
        let written = written(sheet, series, row, part, value).filter(|_| is_exact);
        report(sheet, series, row, class, written, reason);
    }
}

/// No run is known to be wrong: who is it when a summary is not theirs?
fn judge(sheet: &mut Sheet<'_>, series: &Series) {
    let runs = runs(sheet, series);
    let verdict = series.verdict(sheet.figures, &runs, sheet.conventions);
    if verdict.is_clean() {
        return;
    }
    let mean_is_wrong = verdict.mean == Some(false);
    if mean_is_wrong
        && verdict.deviation != Some(true)
        && let Some((row, span)) = wrong_run(sheet, series, verdict)
    {
        let column = series.column;
        let settled = sheet.figures.settle(sheet.section, row, column, span, sheet.images(row, column));
        let corrected = settled.map(|figure| sheet.figures.written(sheet.section, row, column, figure.value));
        let needs = sheet.figures.written_span(sheet.section, row, column, span);
        let summaries = if verdict.deviation.is_some() { "mean and deviation need" } else { "mean needs" };
        let reason = format!("the printed {summaries} {needs}");
        sheet.find(row, column, Class::Contradicted, corrected, reason);
        sheet.settle(row, column, settled.unwrap_or(span.figure()), settled.is_some());
        return;
    }
    if let Some(row) = series.mean.filter(|_| mean_is_wrong) {
        let corrected = Part::Mean.of(&runs, sheet.conventions);
        let corrected = corrected.and_then(|value| written(sheet, series, row, Part::Mean, value));
        let reason = format!("not the mean of the runs, {}", needed_runs(sheet, series));
        report(sheet, series, row, Class::Contradicted, corrected, reason);
    }
    if let Some(row) = series.deviation.filter(|_| verdict.deviation == Some(false)) {
        let other = sheet.conventions.other();
        let corrected = Part::Deviation.of(&runs, sheet.conventions);
        let corrected = corrected.and_then(|value| written(sheet, series, row, Part::Deviation, value));
        let is_other = series.verdict(sheet.figures, &runs, other).deviation == Some(true);
        let reason = match (is_other, other.population) {
            (true, true) => "the population deviation (n), where the table has sample deviations (n − 1)",
            (true, false) => "the sample deviation (n − 1), where the table has population deviations (n)",
            (false, _) => "not the deviation of the runs",
        };
        let reason = if row == series.mean.unwrap_or(usize::MAX) && mean_is_wrong {
            format!("not the mean of the runs, {}; {reason}", needed_runs(sheet, series))
        } else {
            reason.to_owned()
        };
        report(sheet, series, row, Class::Contradicted, corrected, reason);
    }
}

/// The one run that, changed, makes the printed summaries right, and where it must lie.
fn wrong_run(sheet: &Sheet<'_>, series: &Series, verdict: Verdict) -> Option<(usize, Span)> {
    let column = series.column;
    let mut suspects: Vec<(usize, Span)> = Vec::new();
    for &row in &series.runs {
        let others = super::single::others(sheet, series, row);
        let Some(span) = series.needed(sheet.figures, &others, sheet.conventions) else { continue };
        let half = span.figure().half;
        let runs: Vec<Figure> = others.iter().copied().chain([span.figure()]).collect();
        let spread = deviation(&runs, sheet.conventions);
        let agrees = series
            .printed_deviation(sheet.figures)
            .zip(spread)
            .is_none_or(|(printed, spread)| (printed.value - spread).abs() <= printed.half + half);
        if agrees && allow(sheet, row, column, span) {
            suspects.push((row, span));
        }
    }
    let slips: Vec<&(usize, Span)> = suspects
        .iter()
        .filter(|(row, span)| sheet.figures.is_slip_into(sheet.section, *row, column, *span))
        .collect();
    if verdict.deviation.is_some() {
        return match (&suspects[..], &slips[..]) {
            ([only], _) => Some(*only),
            (_, [only]) => Some(**only),
            _ => None,
        };
    }
    // Without a deviation any run could be wrong, and so could the mean: the slip must speak, and only for one.
    let mean_row = series.mean?;
    let right = mean(&runs(sheet, series))?;
    let slipped = sheet.figures.is_slip_into(sheet.section, mean_row, column, Span::around(right, 0.0));
    match slips[..] {
        [only] if !slipped => Some(*only),
        _ => None,
    }
}

/// Which runs the printed mean would need.
fn needed_runs(sheet: &Sheet<'_>, series: &Series) -> String {
    let needs: Vec<String> = series
        .runs
        .iter()
        .filter_map(|&row| {
            let others = super::single::others(sheet, series, row);
            let span = series.needed(sheet.figures, &others, sheet.conventions)?;
            let needed = sheet.figures.written(sheet.section, row, series.column, span.centre());
            Some(format!("{needed} for {}", sheet.figures.cell_at(row, series.column).printed))
        })
        .collect();
    format!("which would need {}", needs.join(" or "))
}

/// The whole cell with the part replaced.
fn written(sheet: &Sheet<'_>, series: &Series, row: usize, part: Part, value: f64) -> Option<String> {
    let (section, figures, column) = (sheet.section, sheet.figures, series.column);
    if series.mean != series.deviation {
        return Some(figures.written(section, row, column, value));
    }
    let runs = runs(sheet, series);
    let [mean, deviation] = match part {
        Part::Mean => [value, Part::Deviation.of(&runs, sheet.conventions)?],
        Part::Deviation => [Part::Mean.of(&runs, sheet.conventions)?, value],
    };
    let deviation = figures.written_deviation(section, row, column, deviation);
    Some(format!("{} ± {deviation}", figures.written(section, row, column, mean)))
}

fn report(
    sheet: &mut Sheet<'_>,
    series: &Series,
    row: usize,
    class: Class,
    corrected: Option<String>,
    reason: String,
) {
    if !sheet.found.contains_key(&(row, series.column)) || series.mean == series.deviation {
        sheet.find(row, series.column, class, corrected, reason);
    }
}
