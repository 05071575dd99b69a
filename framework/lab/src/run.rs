//! An experiment's cells: only what is missing is done, some of it side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use balpoe_core::config::ConfigError;
use balpoe_core::experiment::{Arm, Experiment, Key, OnFailure, Phase};
use balpoe_stats::calibration::Outcomes;
use serde_json::{Value as Json, json};

use crate::cell::{Cell, RunOptions, Trained};
use crate::data_record::DataRecord;
use crate::error::LabError;
use crate::evaluate::{Evaluation, evaluate};
use crate::event::{CellName, Event, Observer};
use crate::executor::engine_precision;
use crate::prepared::{PreparedArm, Protocol, Shelf};
use crate::readme;
use crate::results::published_rows;
use crate::side_by_side::side_by_side;
use crate::store::{CellFolder, CellManifest, FORMAT, Store};
use crate::summary::Metrics;
use crate::sweep::{self, TrialCell, budget, settle, trial_cells, validation_metrics};

/// What became of an arm: its name, and for each seed its figures or why there are none.
#[derive(Debug)]
pub struct ArmOutcome {
    /// Name of the arm.
    pub name: String,
    /// Seed by seed.
    pub cells: Vec<CellOutcome>,
    /// What was used of the data and how, for the table's notes.
    pub protocol: Protocol,
}

/// One cell's result.
#[derive(Debug)]
pub struct CellOutcome {
    /// The seed.
    pub seed: u64,
    /// Its folder in the store.
    pub folder: String,
    /// Figures, or why there are none.
    pub result: Result<Metrics, LabError>,
    /// What calibrators and the aggregator learnt.
    pub fitted: Vec<String>,
}

/// Runs an experiment's cells that are not done, and gives all results. Arms with a sweep are replaced by their best trial.
///
/// # Errors
/// If the data or the network of an arm cannot be had, or the user interrupts. A cell that fails is part of the result.
pub fn run(
    experiment: &mut Experiment,
    data_root: &Path,
    store: &Store,
    options: RunOptions<'_>,
    observer: &Observer<'_>,
) -> Result<Vec<ArmOutcome>, LabError> {
    // What every cell of an arm would say is said once.
    let told = Mutex::new(BTreeSet::new());
    let observer: &Observer<'_> = &|event| match event {
        Event::Notice(text) if !told.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone()) => {}
        _ => observer(event),
    };
    // Hours of training should not end in a table that cannot be made.
    published_rows(experiment)?;
    let mut shelf = Shelf::new(data_root, store);
    let trials = trial_cells(experiment).len();
    let cells = trials + experiment.arms.len() * experiment.seeds.len();
    // A mistake in the last arm should not be found when the first is trained.
    for arm in &experiment.arms {
        let prepared = shelf.prepare(arm, &experiment.seeds)?;
        if let Some(missing) = &prepared.missing {
            observer(&Event::Notice(format!(
                "arm {}: {missing}; finished cells are shown from the record of the data that they keep",
                arm.name
            )));
        }
    }
    let untuned = if trials == 0 {
        BTreeSet::new()
    } else {
        let workshop = Workshop { experiment: &*experiment, store, options, observer };
        let tried = workshop.trials(&mut shelf, cells)?;
        let untuned = settle(experiment, &tried)?;
        for arm in &experiment.arms {
            if let Some(tuned) = &arm.tuned {
                observer(&Event::Notice(format!("{}: {}", arm.name, tuned.line)));
            }
        }
        untuned
    };
    Workshop { experiment: &*experiment, store, options, observer }.arms(&mut shelf, &untuned, trials, cells)
}

/// A cell to work on.
struct Job<'p, 'a> {
    name: CellName,
    prepared: &'p PreparedArm<'a>,
}

/// Where and how cells are worked on.
struct Workshop<'a> {
    experiment: &'a Experiment,
    store: &'a Store,
    options: RunOptions<'a>,
    observer: &'a Observer<'a>,
}

impl Workshop<'_> {
    /// Runs all trials, and gives their figures on the validation images.
    fn trials(&self, shelf: &mut Shelf<'_>, cells: usize) -> Result<Vec<Option<Metrics>>, LabError> {
        let sweeps = &self.experiment.sweeps;
        if let Some(budget) = budget(self.experiment) {
            (self.observer)(&Event::Notice(budget));
        }
        let prepared = sweep::prepare(sweeps, shelf)?;
        let job = |(position, cell): (usize, TrialCell)| {
            let prepared = &prepared[cell.sweep][cell.trial];
            Job {
                name: CellName { arm: prepared.arm.name.clone(), seed: cell.seed, position, cells },
                prepared,
            }
        };
        let jobs: Vec<Job<'_, '_>> = trial_cells(self.experiment).into_iter().enumerate().map(job).collect();
        let results = self.side_by_side(&jobs, &|job, key, options| self.trial(job, key, options))?;
        let mut metrics = Vec::new();
        for result in results {
            match result {
                Some(Err(error)) if self.experiment.on_failure == OnFailure::Stop => return Err(error),
                result => metrics.push(result.and_then(Result::ok)),
            }
        }
        Ok(metrics)
    }

    /// Runs the cells of all arms.
    fn arms(
        &self,
        shelf: &mut Shelf<'_>,
        untuned: &BTreeSet<usize>,
        before: usize,
        cells: usize,
    ) -> Result<Vec<ArmOutcome>, LabError> {
        let Experiment { arms, seeds, .. } = self.experiment;
        let prepared: Vec<PreparedArm<'_>> =
            arms.iter().map(|arm| shelf.prepare(arm, seeds)).collect::<Result<_, _>>()?;
        let mut jobs = Vec::new();
        for (number, prepared) in prepared.iter().enumerate().filter(|(number, _)| !untuned.contains(number))
        {
            for (place, &seed) in seeds.iter().enumerate() {
                let position = before + number * seeds.len() + place;
                jobs.push(Job {
                    name: CellName { arm: prepared.arm.name.clone(), seed, position, cells },
                    prepared,
                });
            }
        }
        let mut results =
            self.side_by_side(&jobs, &|job, key, options| self.cell(job, key, options))?.into_iter();
        let mut outcomes = Vec::new();
        for (number, prepared) in prepared.iter().enumerate() {
            let mut own = Vec::new();
            for &seed in seeds {
                let result = if untuned.contains(&number) {
                    Some(Err(LabError::Untuned))
                } else {
                    results.next().flatten()
                };
                own.extend(result.map(|result| outcome(prepared, seed, result)));
            }
            outcomes.push(ArmOutcome {
                name: prepared.arm.name.clone(),
                cells: own,
                protocol: prepared.protocol(),
            });
        }
        Ok(outcomes)
    }

    /// Works on cells, as many at a time as the user wants. What was not begun after a failure gives `None`.
    fn side_by_side<'p, 'd, T: Send>(
        &self,
        jobs: &[Job<'p, 'd>],
        work: &(dyn Fn(&Job<'p, 'd>, &Key, RunOptions<'_>) -> Result<T, LabError> + Sync),
    ) -> Result<Vec<Option<Result<T, LabError>>>, LabError> {
        let keys: Vec<Key> = jobs.iter().map(|job| job.prepared.train_key(job.name.seed)).collect();
        let wanted = self.options.jobs.clamp(1, jobs.len().max(1));
        let at_once = self.options.resources.workers(wanted);
        if at_once < wanted {
            let replicas = self.options.resources.replicas;
            (self.observer)(&Event::Notice(format!(
                "cells of {replicas} GPUs do not share them: {at_once} at a time instead of {wanted}"
            )));
        }
        let results = side_by_side(&keys, at_once, |place, worker| {
            let result = work(&jobs[place], &keys[place], self.options.share(worker, at_once));
            let flow = match &result {
                Ok(_) => ControlFlow::Continue(()),
                Err(LabError::Interrupted) => ControlFlow::Break(()),
                Err(error) => {
                    (self.observer)(&Event::Failed { cell: &jobs[place].name, error });
                    match self.experiment.on_failure {
                        OnFailure::Continue => ControlFlow::Continue(()),
                        OnFailure::Stop => ControlFlow::Break(()),
                    }
                }
            };
            (result, flow)
        });
        if results.iter().any(|result| matches!(result, Some(Err(LabError::Interrupted)))) {
            return Err(LabError::Interrupted);
        }
        Ok(results)
    }

    /// Trains the cell of a trial if need be, and judges it on its validation images.
    fn trial(&self, job: &Job<'_, '_>, key: &Key, options: RunOptions<'_>) -> Result<Metrics, LabError> {
        let folder = self.store.cell(key);
        if folder.is_done(key)? {
            (self.observer)(&Event::Cached(&job.name));
        } else {
            self.train(job, key, &folder, options)?;
        }
        validation_metrics(job.prepared, &folder, key)
    }

    /// Trains and evaluates a cell, as far as that is not done.
    fn cell(
        &self,
        job: &Job<'_, '_>,
        key: &Key,
        options: RunOptions<'_>,
    ) -> Result<(Metrics, Vec<String>), LabError> {
        let started = Instant::now();
        let folder = self.store.cell(key);
        let evaluation_key = job.prepared.evaluation_key(key);
        let mut trained = None;
        if folder.is_done(key)? {
            if let Some(stored) = folder.evaluation(&evaluation_key)? {
                (self.observer)(&Event::Cached(&job.name));
                return Ok((stored.metrics, stored.fitted));
            }
        } else {
            trained = self.train(job, key, &folder, options)?;
        }
        let evaluation = evaluate_cell(job.prepared, &folder, &evaluation_key)?;
        if let Some(trained) = trained {
            trained.figures(&evaluation.metrics, self.observer)?;
        }
        let (metrics, took) = (&evaluation.metrics, started.elapsed());
        (self.observer)(&Event::Evaluated { cell: &job.name, metrics, took });
        Ok((evaluation.metrics, evaluation.fitted))
    }

    /// Trains a cell, unless another process has done it in the meantime.
    fn train(
        &self,
        job: &Job<'_, '_>,
        key: &Key,
        folder: &CellFolder,
        options: RunOptions<'_>,
    ) -> Result<Option<Trained>, LabError> {
        let Job { name, prepared } = job;
        prepared.require_images()?;
        if let Some(weights) = &prepared.arm.train.imported {
            let message = format!("the weights {weights} are not in this run store");
            let error = ConfigError::key("imported", message).help(
                "bring them in with `balpoe weights import`; a cell of imported weights is never trained",
            );
            return Err(prepared.arm.blame("train", error).into());
        }
        let _claim = folder.claim()?;
        // Another process may have finished it while this one waited for its turn.
        if folder.is_done(key)? {
            return Ok(None);
        }
        let cell = Cell {
            name,
            arm: prepared.arm,
            data: &prepared.data,
            split: &prepared.split,
            network: &prepared.network,
            key,
            folder,
            events: &self.store.events(&self.experiment.name, &name.arm, name.seed),
        };
        let manifest = manifest(self.experiment, prepared, name, key, options);
        cell.train(&manifest, options, self.observer).map(Some)
    }
}

fn outcome(
    prepared: &PreparedArm<'_>,
    seed: u64,
    result: Result<(Metrics, Vec<String>), LabError>,
) -> CellOutcome {
    let (result, fitted) = match result {
        Ok((metrics, fitted)) => (Ok(metrics), fitted),
        Err(error) => (Err(error), Vec::new()),
    };
    CellOutcome { seed, folder: prepared.train_key(seed).short().to_owned(), result, fitted }
}

impl PreparedArm<'_> {
    /// The ensemble's outcomes on every test image of a finished cell: those that are kept, else made from the predictions.
    pub(crate) fn image_outcomes(&self, folder: &CellFolder, train_key: &Key) -> Result<Outcomes, LabError> {
        let key = self.evaluation_key(train_key);
        let kept = match folder.image_outcomes(&key)? {
            Some(kept) => Some(kept),
            None => evaluate_cell(self, folder, &key)?.images,
        };
        let classes = self.data.classes.len();
        let too_many = || LabError::Component {
            component: "evaluation".to_owned(),
            message: format!("outcomes of images are kept for up to 65536 classes, found {classes}"),
        };
        kept.ok_or_else(too_many)?.ensemble(&self.data.test.labels, classes)
    }
}

/// Evaluates the kept predictions of a finished cell, and keeps the figures.
pub(crate) fn evaluate_cell(
    prepared: &PreparedArm<'_>,
    folder: &CellFolder,
    key: &Key,
) -> Result<Evaluation, LabError> {
    let test = folder.predictions("test")?;
    let kept =
        if prepared.split.validation.is_empty() { None } else { Some(folder.predictions("validation")?) };
    let class_counts = prepared.class_counts();
    let trained_on = prepared.trained_on();
    let evaluation =
        evaluate(prepared.arm, &prepared.data, &class_counts, &test, kept.as_ref(), &trained_on)?;
    if folder.data_record()?.is_none() {
        folder.write_data_record(&DataRecord::of(&prepared.data))?;
    }
    let (fitted, metrics) = (evaluation.fitted.clone(), evaluation.metrics.clone());
    folder.write_evaluation(key, fitted, metrics, evaluation.images.as_ref())?;
    readme::write(folder)?;
    Ok(evaluation)
}

/// The results of an experiment that the store has; cells that were not run are [`LabError::NotRun`]. Arms with a sweep are
/// replaced by the best of the trials that the store has.
///
/// # Errors
/// If the data or the network of an arm cannot be had.
pub fn collect(
    experiment: &mut Experiment,
    data_root: &Path,
    store: &Store,
) -> Result<Vec<ArmOutcome>, LabError> {
    let mut shelf = Shelf::new(data_root, store);
    let tried = stored_trials(experiment, &mut shelf, store)?;
    let untuned = settle(experiment, &tried)?;
    let mut outcomes = Vec::new();
    for (number, arm) in experiment.arms.iter().enumerate() {
        let prepared = shelf.prepare(arm, &experiment.seeds)?;
        let cell = |&seed: &u64| {
            let key = prepared.train_key(seed);
            let result = if untuned.contains(&number) {
                Err(LabError::NotRun)
            } else {
                stored_cell(&prepared, &store.cell(&key), &key)
            };
            outcome(&prepared, seed, result)
        };
        let cells = experiment.seeds.iter().map(cell).collect();
        outcomes.push(ArmOutcome { name: arm.name.clone(), cells, protocol: prepared.protocol() });
    }
    Ok(outcomes)
}

/// The figures of the trials that the store has.
fn stored_trials(
    experiment: &Experiment,
    shelf: &mut Shelf<'_>,
    store: &Store,
) -> Result<Vec<Option<Metrics>>, LabError> {
    let prepared = sweep::prepare(&experiment.sweeps, shelf)?;
    let stored = |cell: TrialCell| {
        let prepared = &prepared[cell.sweep][cell.trial];
        let key = prepared.train_key(cell.seed);
        let folder = store.cell(&key);
        let done = folder.is_done(&key)?;
        done.then(|| validation_metrics(prepared, &folder, &key)).transpose()
    };
    trial_cells(experiment).into_iter().map(stored).collect()
}

fn stored_cell(
    prepared: &PreparedArm<'_>,
    folder: &CellFolder,
    key: &Key,
) -> Result<(Metrics, Vec<String>), LabError> {
    if !folder.is_done(key)? {
        return Err(LabError::NotRun);
    }
    let evaluation_key = prepared.evaluation_key(key);
    if let Some(stored) = folder.evaluation(&evaluation_key)? {
        return Ok((stored.metrics, stored.fitted));
    }
    let evaluation = evaluate_cell(prepared, folder, &evaluation_key)?;
    Ok((evaluation.metrics, evaluation.fitted))
}

pub(crate) fn manifest(
    experiment: &Experiment,
    prepared: &PreparedArm<'_>,
    name: &CellName,
    key: &Key,
    options: RunOptions<'_>,
) -> CellManifest {
    CellManifest {
        format: FORMAT,
        train_key: key.as_str().to_owned(),
        experiment: experiment.name.clone(),
        arm: prepared.arm.stored_name().to_owned(),
        seed: name.seed,
        program: format!("balpoe {}", env!("CARGO_PKG_VERSION")),
        device: options.resources.describe(engine_precision(prepared.arm.train.precision)),
        data: prepared.data.fingerprint.clone(),
        subset: prepared.data.subset.clone(),
        settings: settings(prepared.arm),
        finished: None,
        seconds: 0.0,
        images: prepared.split.train.len(),
    }
}

/// Every setting of an arm, defaults included.
fn settings(arm: &Arm) -> Json {
    fn one<T: ?Sized>(built: &balpoe_core::registry::Built<T>) -> Json {
        json!({ "kind": built.name, "version": built.version, "settings": built.settings })
    }
    fn all<T: ?Sized>(list: &[balpoe_core::registry::Built<T>]) -> Vec<Json> {
        list.iter().map(one).collect()
    }
    let calibrators: Vec<Json> =
        arm.calibrators.iter().map(|c| json!({ "on": c.stage, "calibrator": one(&c.calibrator) })).collect();
    let mut sections: BTreeMap<&str, Json> = BTreeMap::from([
        ("dataset", one(&arm.dataset)),
        ("sampler", one(&arm.recipe.sampler)),
        ("augmentation", json!(all(&arm.recipe.augmentations))),
        ("backbone", one(&arm.backbone)),
        ("head", one(&arm.head)),
        ("objective", one(&arm.recipe.objective)),
        ("mixing", json!(all(&arm.recipe.mixings))),
        ("optimizer", one(&arm.recipe.optimizer)),
        ("schedule", one(&arm.recipe.schedule)),
        ("calibrator", json!(calibrators)),
        ("aggregator", one(&arm.aggregator)),
        ("train", json!(arm.train)),
        ("evaluate", json!(arm.evaluate)),
        ("validation", json!(arm.validation)),
    ]);
    if !arm.phases.is_empty() {
        sections.insert("phase", arm.phases.iter().map(Phase::settings).collect());
    }
    json!(sections)
}
