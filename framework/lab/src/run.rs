//! An experiment's cells, one after the other: only what is missing is done.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use balpoe_core::components::{Data, DataError, Outline, Place, SampleId, SampleSplit};
use balpoe_core::config::ConfigError;
use balpoe_core::experiment::{Arm, Experiment, Key, OnFailure};
use balpoe_stats::calibration::Outcomes;
use serde_json::{Value as Json, json};

use crate::cell::{Cell, RunOptions};
use crate::data_record::DataRecord;
use crate::error::LabError;
use crate::evaluate::{Evaluation, evaluate};
use crate::event::{CellName, Event, Observer};
use crate::network::Network;
use crate::readme;
use crate::results::published_rows;
use crate::split::{TrainingSplit, divide};
use crate::store::{CellFolder, CellManifest, FORMAT, Store};
use crate::summary::Metrics;

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

/// What a reader must know of the data behind a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Training images.
    pub images: usize,
    /// Classes.
    pub classes: usize,
    /// Training images kept apart for validation.
    pub validation: usize,
    /// SHA-256 of the list of training images.
    pub subset: String,
}

/// Everything about an arm that its seeds share.
pub struct PreparedArm<'a> {
    pub(crate) arm: &'a Arm,
    pub(crate) data: Data,
    pub(crate) split: TrainingSplit,
    /// The network.
    pub network: Network,
    /// Why the images are not here, where only their record is.
    missing: Option<String>,
}

impl<'a> PreparedArm<'a> {
    /// Loads the data of an arm and describes its network.
    ///
    /// # Errors
    /// If the data cannot be had, or settings do not fit each other.
    pub fn new(arm: &'a Arm, data_root: &Path) -> Result<Self, LabError> {
        Self::with_data(arm, arm.dataset.component.load(Place { root: data_root })?)
    }

    /// The same for results that are there: where the data set is not, the record of it that a finished cell keeps serves as well.
    ///
    /// # Errors
    /// As [`Self::new`], if no finished cell of this arm with one of these seeds has a record of the data.
    pub fn for_results(
        arm: &'a Arm,
        seeds: &[u64],
        data_root: &Path,
        store: &Store,
    ) -> Result<Self, LabError> {
        let missing = match Self::new(arm, data_root) {
            Err(LabError::Data(missing @ DataError::Missing { .. })) => missing,
            prepared => return prepared,
        };
        let mut tried = BTreeSet::new();
        for cell in store.cells()? {
            let Some(record) = cell.data_record()? else { continue };
            if !tried.insert(record.fingerprint.clone()) {
                continue;
            }
            // The record of another data set may not fit this arm; the key of the weights says whether it is the right one.
            let Ok(mut prepared) = Self::with_data(arm, record.data()) else { continue };
            for &seed in seeds {
                let key = prepared.train_key(seed);
                if store.cell(&key).is_done(&key)? {
                    prepared.missing = Some(missing.to_string());
                    return Ok(prepared);
                }
            }
        }
        Err(missing.into())
    }

    /// The same with data that are loaded.
    pub(crate) fn with_data(arm: &'a Arm, data: Data) -> Result<Self, LabError> {
        for (position, distribution) in arm.evaluate.distributions.iter().enumerate() {
            arm.dataset.component.distribution(distribution, &data).map_err(|error| {
                let key = format!("distributions.{position}");
                arm.blame("evaluate", ConfigError::key(key, error.to_string()))
            })?;
        }
        let split = divide(&data, arm.validation.as_ref());
        let network = Network::describe(arm, &data)?;
        let class_counts = split.train.class_counts(data.classes.len());
        let trainees =
            balpoe_core::components::Trainees { experts: network.experts, class_counts: &class_counts };
        arm.objective.component.prepare(trainees).map_err(|error| arm.blame("objective", error))?;
        Ok(Self { arm, data, split, network, missing: None })
    }

    /// Refuses to train where the images are not here.
    fn require_images(&self) -> Result<(), LabError> {
        match &self.missing {
            None => Ok(()),
            Some(missing) => Err(DataError::Other(missing.clone()).into()),
        }
    }

    /// The key of an evaluation of these weights.
    pub(crate) fn evaluation_key(&self, train_key: &Key) -> Key {
        self.arm.evaluation_key(train_key, &self.data.distributions)
    }

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

    /// Image size and class counts of the data.
    pub fn outline(&self) -> Outline {
        let class_counts = self.data.train.class_counts(self.data.classes.len());
        Outline { size: self.data.size, class_counts }
    }

    /// The key of a seed's weights.
    pub fn train_key(&self, seed: u64) -> Key {
        self.arm.train_key(seed, &self.data.fingerprint, &self.network.identity())
    }

    fn protocol(&self) -> Protocol {
        Protocol {
            images: self.split.train.len(),
            classes: self.data.classes.len(),
            validation: self.split.validation.len(),
            subset: self.data.subset.clone(),
        }
    }

    pub(crate) fn trained_on(&self) -> BTreeSet<SampleId> {
        self.split.train_positions.iter().map(|&position| (SampleSplit::Train, position)).collect()
    }
}

/// Runs an experiment's cells that are not done, and gives all results.
///
/// # Errors
/// If the data or the network of an arm cannot be had, or the user interrupts. A cell that fails is part of the result.
pub fn run(
    experiment: &Experiment,
    data_root: &Path,
    store: &Store,
    options: RunOptions<'_>,
    observer: &Observer<'_>,
) -> Result<Vec<ArmOutcome>, LabError> {
    // Hours of training should not end in a table that cannot be made.
    published_rows(experiment)?;
    let cells = experiment.arms.len() * experiment.seeds.len();
    let mut position = 0;
    let mut stopped = false;
    let mut outcomes = Vec::new();
    for arm in &experiment.arms {
        let prepared = PreparedArm::for_results(arm, &experiment.seeds, data_root, store)?;
        if let Some(missing) = &prepared.missing {
            observer(&Event::Notice(format!(
                "arm {}: {missing}; finished cells are shown from the record of the data that they keep",
                arm.name
            )));
        }
        let mut results = Vec::new();
        for &seed in &experiment.seeds {
            let name = CellName { arm: arm.name.clone(), seed, position, cells };
            position += 1;
            if stopped {
                continue;
            }
            let key = prepared.train_key(seed);
            let outcome = run_cell(experiment, &prepared, &name, &key, store, options, observer);
            let (result, fitted) = match outcome {
                Ok((metrics, fitted)) => (Ok(metrics), fitted),
                Err(LabError::Interrupted) => return Err(LabError::Interrupted),
                Err(error) => {
                    observer(&Event::Failed { cell: &name, error: &error });
                    stopped = experiment.on_failure == OnFailure::Stop;
                    (Err(error), Vec::new())
                }
            };
            results.push(CellOutcome { seed, folder: key.short().to_owned(), result, fitted });
        }
        outcomes.push(ArmOutcome { name: arm.name.clone(), cells: results, protocol: prepared.protocol() });
    }
    Ok(outcomes)
}

fn run_cell(
    experiment: &Experiment,
    prepared: &PreparedArm<'_>,
    name: &CellName,
    key: &Key,
    store: &Store,
    options: RunOptions<'_>,
    observer: &Observer<'_>,
) -> Result<(Metrics, Vec<String>), LabError> {
    let started = Instant::now();
    let arm = prepared.arm;
    let folder = store.cell(key);
    let evaluation_key = prepared.evaluation_key(key);
    let mut trained = None;
    if folder.is_done(key)? {
        if let Some(stored) = folder.evaluation(&evaluation_key)? {
            observer(&Event::Cached(name));
            return Ok((stored.metrics, stored.fitted));
        }
    } else {
        prepared.require_images()?;
        if let Some(weights) = &arm.train.imported {
            let message = format!("the weights {weights} are not in this run store");
            let error = ConfigError::key("imported", message).help(
                "bring them in with `balpoe weights import`; a cell of imported weights is never trained",
            );
            return Err(arm.blame("train", error).into());
        }
        let _claim = folder.claim()?;
        // Another process may have finished it while this one waited for its turn.
        if !folder.is_done(key)? {
            let cell = Cell {
                name,
                arm,
                data: &prepared.data,
                split: &prepared.split,
                network: &prepared.network,
                key,
                folder: &folder,
                events: &store.events(&experiment.name, &name.arm, name.seed),
            };
            let manifest = manifest(experiment, prepared, name, key, options);
            trained = Some(cell.train(&manifest, options, observer)?);
        }
    }
    let evaluation = evaluate_cell(prepared, &folder, &evaluation_key)?;
    if let Some(trained) = trained {
        trained.figures(&evaluation.metrics, observer)?;
    }
    observer(&Event::Evaluated { cell: name, metrics: &evaluation.metrics, took: started.elapsed() });
    Ok((evaluation.metrics, evaluation.fitted))
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
    let class_counts = prepared.split.train.class_counts(prepared.data.classes.len());
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

/// The results of an experiment that the store has; cells that were not run are [`LabError::NotRun`].
///
/// # Errors
/// If the data or the network of an arm cannot be had.
pub fn collect(
    experiment: &Experiment,
    data_root: &Path,
    store: &Store,
) -> Result<Vec<ArmOutcome>, LabError> {
    let mut outcomes = Vec::new();
    for arm in &experiment.arms {
        let prepared = PreparedArm::for_results(arm, &experiment.seeds, data_root, store)?;
        let cell = |&seed: &u64| {
            let key = prepared.train_key(seed);
            let outcome = stored_cell(&prepared, &store.cell(&key), &key);
            let (result, fitted) = match outcome {
                Ok((metrics, fitted)) => (Ok(metrics), fitted),
                Err(error) => (Err(error), Vec::new()),
            };
            CellOutcome { seed, folder: key.short().to_owned(), result, fitted }
        };
        let cells = experiment.seeds.iter().map(cell).collect();
        outcomes.push(ArmOutcome { name: arm.name.clone(), cells, protocol: prepared.protocol() });
    }
    Ok(outcomes)
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
        arm: name.arm.clone(),
        seed: name.seed,
        program: format!("balpoe {}", env!("CARGO_PKG_VERSION")),
        device: format!("cpu, {}, {} threads", balpoe_engine::InstructionSet::detect(), options.threads),
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
    let sections: BTreeMap<&str, Json> = BTreeMap::from([
        ("dataset", one(&arm.dataset)),
        ("sampler", one(&arm.sampler)),
        ("augmentation", json!(all(&arm.augmentations))),
        ("backbone", one(&arm.backbone)),
        ("head", one(&arm.head)),
        ("objective", one(&arm.objective)),
        ("mixing", json!(all(&arm.mixings))),
        ("optimizer", one(&arm.optimizer)),
        ("schedule", one(&arm.schedule)),
        ("calibrator", json!(calibrators)),
        ("aggregator", one(&arm.aggregator)),
        ("train", json!(arm.train)),
        ("evaluate", json!(arm.evaluate)),
        ("validation", json!(arm.validation)),
    ]);
    json!(sections)
}
