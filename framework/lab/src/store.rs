//! The run store: one folder a cell, named by the key of its weights, so that nothing is computed twice.
//!
//! ```text
//! runs/
//!   cells/<train key>/            one cell: an arm with a seed
//!     README.md                   the cell in words, written anew with every change
//!     manifest.json               what it is: settings, data, seed, program, device; and whether it is done
//!     data.json                   what evaluations need of the data set: everything but the images
//!     lock                        held by the process that trains the cell
//!     log.jsonl                   metrics of training, one a line
//!     checkpoints/                only while it is being trained
//!     weights.safetensors         the network after the last epoch
//!     predictions-test.safetensors        every expert's logits on the whole test set
//!     predictions-validation.safetensors  the same on held-out training images, if there are some
//!     evaluations/<key>.json      figures, by what decided them (calibrators, aggregator, distributions)
//!     evaluations/<key>.safetensors       predicted class, confidence and entropy of every test image
//!   <experiment>/                 tables of an experiment, and which cells they were made from
//!     tensorboard/<arm>-seed<n>/  event files of cells that were trained with them
//! ```

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use balpoe_core::components::SampleSplit;
use balpoe_core::config::ConfigError;
use balpoe_core::experiment::Key;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::data_record::DataRecord;
use crate::error::LabError;
use crate::files;
use crate::image_outcomes::ImageOutcomes;
use crate::scores::{Form, SampleScores, ScoreWriter};
use crate::summary::Metrics;
use crate::tensors::{self, Tensors};

/// Version of manifests and evaluations. A newer one is refused.
pub(crate) const FORMAT: u32 = 1;

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const DATA: &str = "data.json";
pub(crate) const LOG: &str = "log.jsonl";
pub(crate) const WEIGHTS: &str = "weights.safetensors";
pub(crate) const EVALUATIONS: &str = "evaluations";

/// The folder in which runs are kept.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// What a cell is, kept beside its results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellManifest {
    /// Version of the format.
    pub format: u32,
    /// Key of the weights.
    pub train_key: String,
    /// Name of the experiment that trained it.
    pub experiment: String,
    /// Name of the arm.
    pub arm: String,
    /// The seed.
    pub seed: u64,
    /// Version of the program.
    pub program: String,
    /// Where it was trained, such as `cpu, AVX-512, 2 threads`; in turn, with `; then ` between, if it changed devices.
    pub device: String,
    /// Fingerprint of the data.
    pub data: String,
    /// SHA-256 of the list of training images.
    pub subset: String,
    /// All settings, defaults included.
    pub settings: Json,
    /// When training was done, as UTC; none while it is not.
    pub finished: Option<String>,
    /// Seconds of training over all sittings.
    pub seconds: f64,
    /// Images in an epoch.
    pub images: usize,
}

/// The figures of one cell under one evaluation key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredEvaluation {
    pub(crate) format: u32,
    pub(crate) evaluation_key: String,
    /// What was fitted, and on what.
    pub(crate) fitted: Vec<String>,
    pub(crate) metrics: Metrics,
}

impl CellManifest {
    /// The arm, with the experiment in front where they are called differently.
    pub fn title(&self) -> String {
        if self.arm == self.experiment {
            self.arm.clone()
        } else {
            format!("{}/{}", self.experiment, self.arm)
        }
    }

    /// The first 12 digits of the train key, which name the cell's folder.
    pub fn short_key(&self) -> &str {
        self.train_key.get(..12).unwrap_or(&self.train_key)
    }
}

/// A cell that no other process can take.
#[derive(Debug)]
pub(crate) struct Claim {
    _lock: File,
}

/// One cell's folder.
#[derive(Clone, Debug)]
pub struct CellFolder {
    path: PathBuf,
}

impl Store {
    /// A store in this folder, which is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be made or written.
    pub fn open(root: &Path) -> Result<Self, LabError> {
        files::create_folder(&root.join("cells")).map_err(|error| {
            ConfigError::new(error.to_string()).help("let --out name a folder that can be written")
        })?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// The store in this folder, for reading; it need not exist.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a cell, made or not.
    pub fn cell(&self, key: &Key) -> CellFolder {
        self.folder(key.as_str())
    }

    /// The folder of the cell with this train key.
    pub(crate) fn folder(&self, train_key: &str) -> CellFolder {
        CellFolder { path: self.root.join("cells").join(train_key.get(..12).unwrap_or(train_key)) }
    }

    /// Every cell that was ever begun, by the names of the folders.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn cells(&self) -> Result<Vec<CellFolder>, LabError> {
        let folder = self.root.join("cells");
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut cells = Vec::new();
        for entry in fs::read_dir(&folder).map_err(LabError::files("read", &folder))? {
            let path = entry.map_err(LabError::files("read", &folder))?.path();
            // A dot is in front of what is being imported or removed.
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && path.join(MANIFEST).is_file() {
                cells.push(CellFolder { path });
            }
        }
        cells.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(cells)
    }

    /// The folder of an experiment's tables.
    pub fn experiment(&self, name: &str) -> PathBuf {
        self.root.join(plain(name))
    }

    /// The folder of a cell's event file for TensorBoard, which shows its path as the name of the run.
    pub(crate) fn events(&self, experiment: &str, arm: &str, seed: u64) -> PathBuf {
        let arm = if arm == experiment { String::new() } else { format!("{}-", plain(arm)) };
        self.experiment(experiment).join("tensorboard").join(format!("{arm}seed{seed}"))
    }
}

impl CellFolder {
    /// The cell in this folder.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The manifest, if the cell was ever begun.
    ///
    /// # Errors
    /// If it is damaged or of a newer format.
    pub fn manifest(&self) -> Result<Option<CellManifest>, LabError> {
        let path = self.path.join(MANIFEST);
        let manifest: Option<CellManifest> = read_json(&path)?;
        match manifest {
            Some(manifest) if manifest.format > FORMAT => Err(newer(&path, manifest.format)),
            manifest => Ok(manifest),
        }
    }

    pub(crate) fn write_manifest(&self, manifest: &CellManifest) -> Result<(), LabError> {
        files::create_folder(&self.path)?;
        write_json(&self.path.join(MANIFEST), manifest)
    }

    /// What the cell says of its data; cells of older versions say nothing.
    pub(crate) fn data_record(&self) -> Result<Option<DataRecord>, LabError> {
        let path = self.path.join(DATA);
        if !path.exists() {
            return Ok(None);
        }
        DataRecord::decode(&path, &files::read(&path)?).map(Some)
    }

    pub(crate) fn write_data_record(&self, record: &DataRecord) -> Result<(), LabError> {
        files::write_atomically(&self.path.join(DATA), &record.encode()?)
    }

    /// Takes the cell for this process, so that two of them never write the same files. It is free again when the claim is dropped
    /// or the process ends, however it ends.
    pub(crate) fn claim(&self) -> Result<Claim, LabError> {
        files::create_folder(&self.path)?;
        let path = self.path.join("lock");
        let file = File::create(&path).map_err(LabError::files("write", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Claim { _lock: file }),
            Err(TryLockError::WouldBlock) => Err(LabError::Busy { path: self.path.clone() }),
            Err(TryLockError::Error(source)) => Err(LabError::files("lock", &path)(source)),
        }
    }

    /// Whether some process trains it right now.
    pub(crate) fn is_claimed(&self) -> bool {
        let lock = File::open(self.path.join("lock"));
        lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Whether the cell is trained and predicted.
    pub(crate) fn is_done(&self, key: &Key) -> Result<bool, LabError> {
        let Some(manifest) = self.manifest()? else { return Ok(false) };
        if manifest.train_key != key.as_str() {
            let message =
                format!("belongs to the cell {}, expected {key}; remove the folder", manifest.train_key);
            return Err(LabError::damaged(&self.path.join(MANIFEST), message));
        }
        Ok(manifest.finished.is_some())
    }

    pub(crate) fn evaluation(&self, key: &Key) -> Result<Option<StoredEvaluation>, LabError> {
        let path = self.evaluation_path(key, "json");
        let stored: Option<StoredEvaluation> = read_json(&path)?;
        match stored {
            Some(stored) if stored.format > FORMAT => Err(newer(&path, stored.format)),
            Some(stored) if stored.evaluation_key != key.as_str() => Ok(None),
            stored => Ok(stored),
        }
    }

    /// All evaluations, by the names of their files.
    pub(crate) fn evaluations(&self) -> Result<Vec<StoredEvaluation>, LabError> {
        let mut found = Vec::new();
        for name in self.evaluation_files()?.iter().filter(|name| ends_in(name, "json")) {
            found.extend(read_json(&self.path.join(EVALUATIONS).join(name))?);
        }
        Ok(found)
    }

    /// Names of the files of evaluations, sorted.
    pub(crate) fn evaluation_files(&self) -> Result<Vec<String>, LabError> {
        let folder = self.path.join(EVALUATIONS);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).map_err(LabError::files("read", &folder))? {
            let entry = entry.map_err(LabError::files("read", &folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if ends_in(&name, "json") || ends_in(&name, "safetensors") {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Predicted class, confidence and entropy of every test image; evaluations of older versions have none.
    pub(crate) fn image_outcomes(&self, key: &Key) -> Result<Option<ImageOutcomes>, LabError> {
        let path = self.evaluation_path(key, "safetensors");
        if !path.exists() || self.evaluation(key)?.is_none() {
            return Ok(None);
        }
        ImageOutcomes::decode(&path, &files::read(&path)?).map(Some)
    }

    pub(crate) fn write_evaluation(
        &self,
        key: &Key,
        fitted: Vec<String>,
        metrics: Metrics,
        images: Option<&ImageOutcomes>,
    ) -> Result<(), LabError> {
        files::create_folder(&self.path.join(EVALUATIONS))?;
        // The figures last: where they are, everything is.
        if let Some(images) = images {
            files::write_atomically(&self.evaluation_path(key, "safetensors"), &images.encode()?)?;
        }
        write_json(
            &self.evaluation_path(key, "json"),
            &StoredEvaluation { format: FORMAT, evaluation_key: key.as_str().to_owned(), fitted, metrics },
        )
    }

    fn evaluation_path(&self, key: &Key, extension: &str) -> PathBuf {
        self.path.join(EVALUATIONS).join(format!("{}.{extension}", key.short()))
    }

    /// Its file of weights, there once the cell is done.
    pub fn weights(&self) -> PathBuf {
        self.path.join(WEIGHTS)
    }

    pub(crate) fn write_weights(&self, weights: &Tensors) -> Result<(), LabError> {
        files::write_atomically(&self.weights(), &tensors::encode(weights)?)
    }

    /// Predictions on `test` or `validation`, which are read when they are needed.
    ///
    /// # Errors
    /// If they were not imported with the cell, cannot be read, or are damaged.
    pub(crate) fn predictions(&self, split: &str) -> Result<SampleScores, LabError> {
        let path = self.path.join(predictions_file(split));
        if !path.exists() {
            return Err(LabError::NotKept { path });
        }
        let side = if split == "test" { SampleSplit::Test } else { SampleSplit::Train };
        SampleScores::of_cell(&path, side)
    }

    /// Begins the predictions of so many experts and classes on `test` or `validation`, whose samples have these labels and these
    /// positions in their split.
    pub(crate) fn write_predictions(
        &self,
        split: &str,
        (experts, classes): (usize, usize),
        labels: &[u32],
        positions: &[u32],
    ) -> Result<ScoreWriter, LabError> {
        let form = Form::of(experts, labels.len(), classes);
        let path = self.path.join(predictions_file(split));
        ScoreWriter::create(&path, form, (experts, classes), labels, positions)
    }
}

/// A name as a name of a file.
pub(crate) fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

/// The file of the predictions on `test` or `validation`.
pub(crate) fn predictions_file(split: &str) -> String {
    format!("predictions-{split}.safetensors")
}

fn newer(path: &Path, format: u32) -> LabError {
    LabError::damaged(
        path,
        format!("has format {format}, this program reads up to {FORMAT}; use a newer version"),
    )
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, LabError> {
    if !path.exists() {
        return Ok(None);
    }
    let value = serde_json::from_slice(&files::read(path)?);
    value.map(Some).map_err(|error| LabError::damaged(path, format!("is damaged ({error}); remove it")))
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), LabError> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| LabError::damaged(path, e.to_string()))?;
    text.push('\n');
    files::write_atomically(path, text.as_bytes())
}

/// Whether a file's name has this ending after its last dot.
fn ends_in(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_taken_once_and_free_again() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let folder = Store::at(root.path()).cell(&Key::of(&Json::Null));
        let claim = folder.claim().expect("nobody has it");
        let busy = folder.claim().expect_err("it is taken");
        assert!(busy.to_string().starts_with("another process trains the cell in"), "{busy}");
        drop(claim);
        folder.claim().expect("it is free again");
    }
}
