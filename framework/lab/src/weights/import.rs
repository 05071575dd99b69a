//! Weights that were trained elsewhere as a cell of an experiment.

use std::path::Path;

use balpoe_core::config::ConfigError;
use balpoe_core::experiment::Experiment;

use super::file::WeightFile;
use crate::cell::{Cell, RunOptions};
use crate::error::LabError;
use crate::event::{CellName, Observer};
use crate::prepared::PreparedArm;
use crate::run::manifest;
use crate::store::Store;

/// Makes a finished cell of weights that another program trained: its test images are predicted and kept, so that it can be
/// evaluated like any other. The experiment has one arm and one seed, and its `train.imported` is the file's SHA-256: such a cell is never
/// taken for one that was trained here.
///
/// # Errors
/// If the experiment is not such a one, the tensors are not those of its network, or the data cannot be had.
pub fn import_weights(
    experiment: &Experiment,
    file: &WeightFile,
    data_root: &Path,
    store: &Store,
    options: RunOptions<'_>,
    observer: &Observer<'_>,
) -> Result<(), LabError> {
    let ([arm], [seed]) = (&experiment.arms[..], &experiment.seeds[..]) else {
        let arms: Vec<&str> = experiment.arms.iter().map(|arm| arm.name.as_str()).collect();
        let message = format!(
            "weights belong to one arm and one seed, and the experiment has several: {}",
            arms.join(", ")
        );
        return Err(ConfigError::new(message).help("choose with --arm and --seed").into());
    };
    if arm.train.imported.as_deref() != Some(file.sha256()) {
        let message = format!("`train.imported` must be the file's SHA-256, {}", file.sha256());
        return Err(ConfigError::new(message).into());
    }
    let prepared = PreparedArm::new(arm, data_root)?;
    let key = prepared.train_key(*seed);
    let folder = store.cell(&key);
    let _claim = folder.claim()?;
    if folder.is_done(&key)? {
        return Ok(());
    }
    let name = CellName { arm: arm.name.clone(), seed: *seed, position: 0, cells: 1 };
    let cell = Cell {
        name: &name,
        arm,
        data: &prepared.data,
        split: &prepared.split,
        network: &prepared.network,
        key: &key,
        folder: &folder,
        events: &store.events(&experiment.name, &name.arm, name.seed),
    };
    cell.adopt(file, &manifest(experiment, &prepared, &name, &key, options), options, observer)
}
