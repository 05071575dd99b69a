//! Every calibration metric, in one table: a row a metric, a column a prediction.

use balpoe_core::components::LogitMatrix;
use balpoe_stats::calibration::{
    Binning, ClassErrors, ClassReliability, Evaluation, EvaluationError, GroupBy, Groups, Outcomes,
    Predictions, Reliability, ShotGroup,
};
use balpoe_stats::statistics::{Level, Resampling};

use crate::error::LabError;
use crate::figures::{Figures, failed};
use crate::table::{Cell, Column, Row, Table, Value};

/// Whose predictions are measured.
pub(crate) struct Subject<'a> {
    pub(crate) label: String,
    pub(crate) outcomes: &'a Outcomes,
    /// Its logits; without them metrics of every class's probability are left out.
    pub(crate) logits: Option<&'a LogitMatrix>,
}

/// Resamples of the intervals. The figures have three digits, and so have ends from so many.
const REPEATS: usize = 500;
/// Probabilities below it do not count in the thresholded error.
const THRESHOLD: f64 = 0.01;

/// Every metric of one subject on the whole test set.
pub(crate) struct Measured {
    label: String,
    rows: Vec<Measurement>,
}

/// Measures a subject.
pub(crate) fn measure(
    subject: &Subject<'_>,
    labels: &[u32],
    figures: &Figures,
    bins: usize,
) -> Result<Measured, LabError> {
    let rows = measurements(subject, labels, figures.groups.as_ref(), bins).map_err(failed)?;
    Ok(Measured { label: subject.label.clone(), rows })
}

/// The table of what was measured, a column a subject.
pub(crate) fn table(name: &str, measured: &[Measured], bins: usize) -> Table {
    let columns = measured.iter().map(|subject| Column::new(&subject.label, 3)).collect();
    let mut table = Table::new("calibration", format!("{name}: calibration, all metrics"), "metric", columns);
    let (Some(first), Some(rows)) =
        (measured.first(), measured.iter().map(|subject| subject.rows.len()).min())
    else {
        return table;
    };
    for position in 0..rows {
        let cells = measured.iter().map(|subject| subject.rows[position].2.clone()).collect();
        let (group, label, _) = &first.rows[position];
        table.push(Row { group: Some((*group).to_owned()), ..Row::new(*label, cells) });
    }
    table.note(format!(
        "Errors in %; {bins} bins of equal width or equal mass, (lo, hi]; l1 is the expected, l2 the root mean square, max the maximum \
         calibration error; `debiased` subtracts the sampling bias, `if calibrated` is that bias for a perfect predictor."
    ));
    table.note(format!(
        "Brackets are 95 % percentile intervals of {REPEATS} bootstrap resamples of the images."
    ));
    table.note(format!(
        "Class-wise errors are those of every class's probability, against `label == class`, averaged over classes; thresholded: only \
         probabilities of at least {THRESHOLD}."
    ));
    table
}

/// A group of metrics, a metric, its value.
type Measurement = (&'static str, &'static str, Cell);

fn measurements(
    subject: &Subject<'_>,
    labels: &[u32],
    groups: Option<&Groups>,
    bins: usize,
) -> Result<Vec<Measurement>, EvaluationError> {
    let all = subject.outcomes.all();
    let (width, mass) = (Binning::equal_width(bins)?, Binning::equal_mass(bins)?);
    let mut rows = Vec::new();
    predicted_class(&all, width, mass, &mut rows);
    if let Some(groups) = groups {
        by_group(&all, groups, width, &mut rows)?;
    }
    let class_balanced = all.class_balanced().reliability(width).ece();
    rows.push(("classes", "ECE, every class with the same weight", percent(class_balanced)));
    class_wise(subject, labels, groups, width, mass, &mut rows)?;
    let number = |value: f64| Value::Number(value).into();
    rows.push(("proper scores", "NLL (nats)", number(all.nll())));
    rows.push(("proper scores", "Brier score", number(all.brier())));
    decomposition(subject, labels, width, &mut rows)?;
    let selective = all.risk_coverage();
    rows.push(("selective", "AURC", percent(selective.area())));
    rows.push(("selective", "error at 80 % coverage", percent(selective.risk_at(0.8))));
    rows.push(("selective", "error at 50 % coverage", percent(selective.risk_at(0.5))));
    rows.push(("entropy", "mean (nats)", number(all.entropy())));
    rows.push(("entropy", "normalised", number(all.normalised_entropy())));
    Ok(rows)
}

/// Errors of the largest probability.
fn predicted_class(all: &Evaluation<'_>, width: Binning, mass: Binning, rows: &mut Vec<Measurement>) {
    let interval = |binning: Binning, metric: fn(&Reliability) -> f64| {
        let bootstrap = all.bootstrap(Resampling::new(REPEATS, 0), |rows| metric(&rows.reliability(binning)));
        let interval = bootstrap.percentile(Level::P95);
        Cell::from(Value::Interval(balpoe_stats::statistics::Interval {
            low: 100.0 * interval.low,
            high: 100.0 * interval.high,
        }))
    };
    for (group, binning) in [("predicted class, equal width", width), ("predicted class, equal mass", mass)] {
        let reliability = all.reliability(binning);
        rows.push((group, "ECE (l1)", percent(reliability.ece())));
        rows.push((group, "ECE, debiased", percent(reliability.debiased_ece())));
        rows.push((group, "ECE, debiased: interval", interval(binning, Reliability::debiased_ece)));
        rows.push((group, "ECE if calibrated", percent(reliability.ece_if_calibrated())));
        rows.push((group, "l2", percent(reliability.l2())));
        rows.push((group, "l2, debiased", percent(reliability.debiased_l2())));
        rows.push((group, "max (MCE)", percent(reliability.mce())));
        let hundredth = all.total_weight() / 100.0;
        rows.push((group, "max, bins with 1 % of the rows", percent(reliability.mce_over(hundredth))));
        rows.push((group, "overconfidence", percent(reliability.overconfidence())));
    }
    let group = "predicted class, no bins";
    rows.push((group, "confidence − accuracy", percent(all.reliability(width).mean_gap())));
    rows.push((group, "ECE, kernel density", percent(all.kde_ece(None))));
    rows.push((group, "smooth ECE", percent(all.smooth_ece())));
}

/// The ECE of rows by the shot group of their true or predicted class.
fn by_group(
    all: &Evaluation<'_>,
    groups: &Groups,
    binning: Binning,
    rows: &mut Vec<Measurement>,
) -> Result<(), EvaluationError> {
    let by =
        [(GroupBy::Label, "shot group of the label"), (GroupBy::Prediction, "shot group of the prediction")];
    for (by, heading) in by {
        let parts = all.by_group(groups, by)?;
        for (group, label) in SHOTS {
            let ece = parts.get(group).as_ref().map(|rows| rows.reliability(binning).ece());
            rows.push((heading, label, ece.map_or_else(|| Cell::missing("no rows"), percent)));
        }
    }
    Ok(())
}

const SHOTS: [(ShotGroup, &str); 3] =
    [(ShotGroup::Many, "ECE, many"), (ShotGroup::Medium, "ECE, medium"), (ShotGroup::Few, "ECE, few")];

/// Errors of every class's probability.
fn class_wise(
    subject: &Subject<'_>,
    labels: &[u32],
    groups: Option<&Groups>,
    width: Binning,
    mass: Binning,
    rows: &mut Vec<Measurement>,
) -> Result<(), EvaluationError> {
    let settings = [
        ("class-wise ECE, equal width", width, 0.0),
        ("class-wise ECE, equal mass", mass, 0.0),
        ("class-wise ECE, equal mass, thresholded", mass, THRESHOLD),
    ];
    let mut by_class = Vec::new();
    for (label, binning, threshold) in settings {
        let errors = reliability(subject, labels, binning, threshold)?.map(|classes| classes.ece());
        rows.push(("classes", label, or_missing(errors.as_ref().map(ClassErrors::mean))));
        by_class.push(errors);
    }
    let (Some(groups), Some(errors)) = (groups, by_class.first()) else { return Ok(()) };
    let parts = errors.as_ref().map(|errors| errors.by_group(groups)).transpose()?;
    for (group, label) in SHOTS {
        let ece = parts.as_ref().map(|parts| *parts.get(group));
        rows.push(("class-wise, equal width", label, or_missing(ece)));
    }
    Ok(())
}

fn reliability(
    subject: &Subject<'_>,
    labels: &[u32],
    binning: Binning,
    threshold: f64,
) -> Result<Option<ClassReliability>, EvaluationError> {
    let Some(logits) = subject.logits else { return Ok(None) };
    let predictions = Predictions::logits(&logits.values, labels, logits.classes)?;
    subject.outcomes.all().class_reliability(&predictions, binning, threshold).map(Some)
}

fn decomposition(
    subject: &Subject<'_>,
    labels: &[u32],
    binning: Binning,
    rows: &mut Vec<Measurement>,
) -> Result<(), EvaluationError> {
    let parts = match subject.logits {
        Some(logits) => {
            let predictions = Predictions::logits(&logits.values, labels, logits.classes)?;
            Some(subject.outcomes.all().brier_decomposition(&predictions, binning)?)
        }
        None => None,
    };
    let cell = |part: Option<f64>| {
        part.map_or_else(|| Cell::missing(ENSEMBLE_ONLY), |value| Value::Number(value).into())
    };
    rows.push(("proper scores", "Brier: reliability", cell(parts.map(|p| p.reliability))));
    rows.push(("proper scores", "Brier: resolution", cell(parts.map(|p| p.resolution))));
    rows.push(("proper scores", "Brier: uncertainty", cell(parts.map(|p| p.uncertainty))));
    rows.push(("proper scores", "Brier: within bins", cell(parts.map(|p| p.within_bins))));
    Ok(())
}

const ENSEMBLE_ONLY: &str = "measured for the ensemble only";

/// A value in percent; missing where there is no such class, or no logits were kept.
#[expect(clippy::option_option, reason = "not measured and not defined are two things")]
fn or_missing(value: Option<Option<f64>>) -> Cell {
    match value {
        Some(Some(value)) => percent(value),
        Some(None) => Cell::missing("no class has enough probability"),
        None => Cell::missing(ENSEMBLE_ONLY),
    }
}

fn percent(value: f64) -> Cell {
    Value::Number(100.0 * value).into()
}
