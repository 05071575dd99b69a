//! Sweeps: every setting is tried, judged on validation images, and the best one becomes the arm's.
//!
//! Trials are ordinary cells. No figure on the test images is computed for one that is not chosen, and one that is chosen has
//! the cells that it was tried with.

use std::collections::BTreeSet;

use balpoe_core::experiment::{Experiment, Key, Sweep, Tried, Tuned};
use serde_json::json;

use crate::error::LabError;
use crate::evaluate::{VALIDATION, validate};
use crate::prepared::{PreparedArm, Shelf};
use crate::store::CellFolder;
use crate::summary::{self, Metric, Metrics, Subject};
use crate::table::Direction;

/// A setting with one seed.
pub(crate) struct TrialCell {
    /// Which sweep of the experiment.
    pub(crate) sweep: usize,
    /// Which of its trials.
    pub(crate) trial: usize,
    /// The seed.
    pub(crate) seed: u64,
}

/// All trials of an experiment with their seeds, in order.
pub(crate) fn trial_cells(experiment: &Experiment) -> Vec<TrialCell> {
    let mut cells = Vec::new();
    for (number, sweep) in experiment.sweeps.iter().enumerate() {
        for trial in 0..sweep.trials.len() {
            cells.extend(sweep.seeds.iter().map(|&seed| TrialCell { sweep: number, trial, seed }));
        }
    }
    cells
}

/// Prepares every trial, sweep by sweep.
pub(crate) fn prepare<'a>(
    sweeps: &'a [Sweep],
    shelf: &mut Shelf<'_>,
) -> Result<Vec<Vec<PreparedArm<'a>>>, LabError> {
    let mut all = Vec::new();
    for sweep in sweeps {
        deciding_metric(sweep)?;
        all.push(
            sweep
                .trials
                .iter()
                .map(|trial| shelf.prepare(&trial.arm, &sweep.seeds))
                .collect::<Result<_, _>>()?,
        );
    }
    Ok(all)
}

/// The metric that decides a sweep.
///
/// # Errors
/// If there is none of its name; the error has its place.
pub fn deciding_metric(sweep: &Sweep) -> Result<Metric, LabError> {
    sweep.metric.parse().map_err(|_| {
        let known = Metric::ALL.map(Metric::name).join(", ");
        sweep
            .blame_metric(format!("no metric is called \"{}\"", sweep.metric), format!("metrics: {known}"))
            .into()
    })
}

/// The figures of a finished cell on its validation images, kept beside those on the test images.
pub(crate) fn validation_metrics(
    prepared: &PreparedArm<'_>,
    folder: &CellFolder,
    train_key: &Key,
) -> Result<Metrics, LabError> {
    let key = validation_key(prepared, train_key);
    if let Some(stored) = folder.evaluation(&key)? {
        return Ok(stored.metrics);
    }
    let validation = folder.predictions("validation")?;
    let evaluation = validate(
        prepared.arm,
        &prepared.data,
        &prepared.class_counts(),
        &validation,
        &prepared.trained_on(),
    )?;
    folder.write_evaluation(&key, evaluation.fitted, evaluation.metrics.clone(), None)?;
    Ok(evaluation.metrics)
}

/// The key under which they are kept.
fn validation_key(prepared: &PreparedArm<'_>, train_key: &Key) -> Key {
    let evaluation = prepared.evaluation_key(train_key);
    Key::of(&json!({ "evaluation": evaluation.as_str(), "on": VALIDATION }))
}

/// What every arm may try, as a line: the tuning budget.
pub(crate) fn budget(experiment: &Experiment) -> Option<String> {
    let sweep = experiment.sweeps.first()?;
    let (settings, seeds) = (sweep.trials.len(), seed_list(&sweep.seeds));
    Some(format!(
        "tuning budget of every arm: {settings} settings with {seeds}, chosen by validation {}",
        sweep.metric
    ))
}

/// Gives every swept arm its best setting. `metrics` are those of [`trial_cells`]; a cell without any does not count. Gives the
/// arms for which no setting has finished with all its seeds.
pub(crate) fn settle(
    experiment: &mut Experiment,
    metrics: &[Option<Metrics>],
) -> Result<BTreeSet<usize>, LabError> {
    let cells = trial_cells(experiment);
    let mut untuned = BTreeSet::new();
    for (number, sweep) in std::mem::take(&mut experiment.sweeps).into_iter().enumerate() {
        let metric = deciding_metric(&sweep)?;
        let mut tried: Vec<Tried> = sweep
            .trials
            .iter()
            .map(|trial| Tried { setting: trial.label(), scores: Vec::new(), chosen: false })
            .collect();
        for (cell, metrics) in cells.iter().zip(metrics).filter(|(cell, _)| cell.sweep == number) {
            let score = metrics.as_ref().and_then(|metrics| value(metrics, metric));
            tried[cell.trial].scores.push((cell.seed, score));
        }
        let scores: Vec<Option<f64>> = tried.iter().map(mean).collect();
        let Some((best, score)) = best(&scores, metric.direction()) else {
            untuned.insert(sweep.arm);
            continue;
        };
        tried[best].chosen = true;
        let line = line(&sweep, metric, best, score, scores.iter().filter(|score| score.is_none()).count());
        let position = sweep.arm;
        if let Some(trial) = sweep.trials.into_iter().nth(best) {
            let mut chosen = trial.arm;
            let label = std::mem::replace(&mut chosen.name, experiment.arms[position].name.clone());
            chosen.tuned = Some(Tuned { label, line, metric: sweep.metric, tried });
            experiment.arms[position] = chosen;
        }
    }
    Ok(untuned)
}

/// The mean score over seeds; none if a seed has none.
fn mean(tried: &Tried) -> Option<f64> {
    let scores: Vec<f64> = tried.scores.iter().map(|(_, score)| *score).collect::<Option<_>>()?;
    Some(scores.iter().sum::<f64>() / scores.len() as f64)
}

fn value(metrics: &Metrics, metric: Metric) -> Option<f64> {
    metrics.get(&summary::Key::new(Subject::Ensemble, VALIDATION, metric))
}

/// The best score and its place; the first of equal ones.
fn best(scores: &[Option<f64>], direction: Direction) -> Option<(usize, f64)> {
    let better = |new: f64, old: f64| match direction {
        Direction::HigherIsBetter => new > old,
        Direction::LowerIsBetter => new < old,
    };
    let mut found: Option<(usize, f64)> = None;
    for (place, score) in scores.iter().enumerate() {
        if let Some(score) = *score
            && found.is_none_or(|(_, old)| better(score, old))
        {
            found = Some((place, score));
        }
    }
    found
}

fn line(sweep: &Sweep, metric: Metric, best: usize, score: f64, missing: usize) -> String {
    let (setting, settings) = (sweep.trials[best].label(), sweep.trials.len());
    let unit = if metric.scale() > 1.0 { " %" } else { "" };
    let missing = if missing == 0 { String::new() } else { format!("; {missing} of them did not finish") };
    format!(
        "{setting}: chosen from {settings} settings by validation {metric} ({:.2}{unit} with {}){missing}",
        score * metric.scale(),
        seed_list(&sweep.seeds)
    )
}

/// `seed 1`, `seeds 1, 2`.
fn seed_list(seeds: &[u64]) -> String {
    let list: Vec<String> = seeds.iter().map(u64::to_string).collect();
    format!("{} {}", if seeds.len() == 1 { "seed" } else { "seeds" }, list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_best_is_chosen_and_what_is_missing_never() {
        let scores = [None, Some(0.2), Some(0.4), Some(0.4), Some(0.1), None];
        assert_eq!(best(&scores, Direction::HigherIsBetter), Some((2, 0.4)));
        assert_eq!(best(&scores, Direction::LowerIsBetter), Some((4, 0.1)));
        assert_eq!(best(&[None], Direction::HigherIsBetter), None);
    }
}
