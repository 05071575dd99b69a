//! Cells on their own: malformed numbers, divisions of zero by zero, shares of the test images, outliers.

use balpoe_stats::statistics::{Level, Sample};

use super::figure::Figure;
use super::finding::Class;
use super::quantity::{Kind, Quantity};
use super::relation::stands_on_balanced;
use super::series::Series;
use super::sheet::{Sheet, is_share};

/// The probability of any false alarm among the runs of a section, if they were normal.
const OUTLIER_ALARM: f64 = 0.01;

/// Marks cells that hold no number of the table's kind, and repairs what is clear.
pub(super) fn malformed(sheet: &mut Sheet<'_>) {
    for (row, column) in places(sheet) {
        let Some(problem) = sheet.figures.cell_at(row, column).problem else { continue };
        let class = if problem.is_number { Class::Contradicted } else { Class::Malformed };
        let corrected =
            problem.repair.map(|figure| sheet.figures.written(sheet.section, row, column, figure.value));
        sheet.find(row, column, class, corrected, problem.why.to_owned());
        if let Some(figure) = problem.repair {
            sheet.settle(row, column, figure, true);
        }
    }
}

/// Marks `nan` where it is not that of an empty class.
pub(super) fn not_numbers(sheet: &mut Sheet<'_>) {
    for (row, column) in places(sheet) {
        let is_group = matches!(sheet.section.columns[column].quantity, Quantity::Group(_));
        let may_be_empty = is_group && !stands_on_balanced(sheet.section, column);
        let summarises = matches!(sheet.section.rows[row].kind, Kind::Mean | Kind::Deviation);
        if sheet.figures.cell_at(row, column).is_nan && !may_be_empty && !summarises {
            let reason = if is_group {
                "not a number, though a balanced test set leaves no class empty"
            } else {
                "not a number, and no empty class can explain it"
            };
            sheet.find(row, column, Class::Suspicious, None, reason.to_owned());
        }
    }
}

/// Marks figures that no number of correct images gives. Returns how many could have been marked.
pub(super) fn shares(sheet: &mut Sheet<'_>, notes: &mut Vec<String>) -> usize {
    let mut checked = 0;
    for column in 0..sheet.section.columns.len() {
        let mut wrong: Vec<(usize, f64)> = Vec::new();
        let mut rows = 0;
        for row in 0..sheet.section.rows.len() {
            let (Some(figure), Some(images)) = (sheet.printed(row, column), sheet.images(row, column)) else {
                continue;
            };
            // Figures with few digits are shares whatever they are.
            if 2.0 * figure.half / 100.0 * images > 0.8 {
                continue;
            }
            rows += 1;
            if !is_share(figure, images) && !sheet.found.contains_key(&(row, column)) {
                wrong.push((row, images));
            }
        }
        if wrong.len() > 1 && wrong.len() * 5 > rows * 2 {
            notes.push(format!(
                "{} of {rows} figures in `{}` are no share of the test images: means over runs, or another test set",
                wrong.len(),
                sheet.column_name(column)
            ));
            continue;
        }
        checked += rows;
        for (row, images) in wrong {
            let figure = sheet.printed(row, column).expect("it was checked");
            let below = (figure.value / 100.0 * images).floor();
            let [low, high] = [below, below + 1.0]
                .map(|correct| sheet.figures.written(sheet.section, row, column, correct / images * 100.0));
            let reason = format!("no share of {images} test images; the nearest are {low} and {high}");
            sheet.find(row, column, Class::Contradicted, None, reason);
        }
    }
    checked
}

/// Marks runs far from the others of their series.
pub(super) fn outliers(sheet: &mut Sheet<'_>) {
    let cells: usize = sheet.series.iter().map(|series| series.runs.len()).sum();
    if cells == 0 {
        return;
    }
    for series in sheet.series {
        for &row in &series.runs {
            let place = (row, series.column);
            if sheet.found.contains_key(&place) {
                continue;
            }
            let Some(figure) = sheet.printed(row, series.column) else { continue };
            let others = others(sheet, series, row);
            let distance = limit(&others, OUTLIER_ALARM / cells as f64);
            let Some((mean, limit)) = distance else { continue };
            if (figure.value - mean).abs() > limit {
                let written = |value: f64| sheet.figures.written(sheet.section, row, series.column, value);
                let reason = format!(
                    "far from the other runs, of which another one is expected between {} and {}",
                    written(mean - limit),
                    written(mean + limit)
                );
                sheet.find(row, series.column, Class::Suspicious, None, reason);
            }
        }
    }
}

/// The other runs of a series.
pub(super) fn others(sheet: &Sheet<'_>, series: &Series, row: usize) -> Vec<Figure> {
    let others = series.runs.iter().filter(|&&other| other != row);
    others.filter_map(|&other| sheet.figure(other, series.column)).collect()
}

/// Centre and half-width of the t interval in which one more run is expected; `None` for fewer than two others.
pub(super) fn limit(others: &[Figure], alarm: f64) -> Option<(f64, f64)> {
    if others.len() < 2 {
        return None;
    }
    let n = others.len() as f64;
    let sample = Sample::new(others.iter().map(|figure| figure.value).collect::<Vec<_>>()).ok()?;
    let half = sample.t_interval(Level::new(1.0 - alarm).ok()?)?.high - sample.mean();
    // Runs that agree to the last digit have no spread of their own.
    let rounding = others.iter().map(|figure| figure.half).fold(0.0, f64::max);
    let critical = half / sample.standard_error()?.max(f64::MIN_POSITIVE);
    let spread = sample.sd()?.max(2.0 * rounding);
    let critical = if critical.is_finite() && critical > 0.0 { critical } else { 50.0 };
    Some((sample.mean(), critical * spread * (1.0 + 1.0 / n).sqrt()))
}

fn places(sheet: &Sheet<'_>) -> Vec<(usize, usize)> {
    let columns = sheet.section.columns.len();
    (0..sheet.section.rows.len()).flat_map(|row| (0..columns).map(move |column| (row, column))).collect()
}
