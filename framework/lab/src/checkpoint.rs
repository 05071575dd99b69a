//! Checkpoints: everything that training needs to go on as if it had never stopped.
//!
//! A checkpoint is a folder `checkpoints/<step>/` with `state.safetensors` and, written last, `manifest.json`, which holds the
//! hash of the state. The folder is filled under another name and renamed when it is whole; the one before it stays until then.

use std::fs;
use std::path::{Path, PathBuf};

use balpoe_core::digest::sha256;
use serde::{Deserialize, Serialize};

use crate::error::LabError;
use crate::files;
use crate::tensors::{self, Tensors};

/// Version of the format. A newer one is refused.
const FORMAT: u32 = 1;

/// Where training stands between two steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Epochs that are done.
    pub(crate) epoch: usize,
    /// Batches that are done in the current epoch.
    pub(crate) batch: usize,
    /// Updates that are done.
    pub(crate) step: u64,
    /// Sum of the batch losses of the current epoch.
    pub(crate) loss_sum: f64,
    /// Sum over the current epoch's images of their mixed accuracy.
    pub(crate) correct_sum: f64,
    /// Images seen in the current epoch.
    pub(crate) images: usize,
    /// Seconds of training so far, over all sittings.
    pub(crate) seconds: f64,
    /// Length of the metric log that belongs to this state.
    pub(crate) log_bytes: u64,
    /// Phases that have begun.
    #[serde(default)]
    pub(crate) phase: usize,
    /// Updates that were done when the optimizer started with an empty state.
    #[serde(default)]
    pub(crate) optimizer_from: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    /// Key of the cell's weights.
    train_key: String,
    /// SHA-256 of `state.safetensors`.
    state_sha256: String,
    progress: Progress,
}

/// The checkpoints of one cell.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
    train_key: String,
}

impl Checkpoints {
    pub(crate) fn new(cell: &Path, train_key: &str) -> Self {
        Self { folder: cell.join("checkpoints"), train_key: train_key.to_owned() }
    }

    /// Saves a state and removes all but the one before it.
    pub(crate) fn save(&self, progress: Progress, state: &Tensors) -> Result<(), LabError> {
        let name = format!("{:010}", progress.step);
        let partial = self.folder.join(format!("{name}.partial"));
        let whole = self.folder.join(&name);
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(LabError::files("remove", &partial))?;
        }
        files::create_folder(&partial)?;
        let bytes = tensors::encode(state)?;
        let manifest = Manifest {
            format: FORMAT,
            train_key: self.train_key.clone(),
            state_sha256: sha256(&bytes),
            progress,
        };
        files::write_atomically(&partial.join("state.safetensors"), &bytes)?;
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|e| LabError::damaged(&partial, e.to_string()))?;
        files::write_atomically(&partial.join("manifest.json"), text.as_bytes())?;
        if whole.exists() {
            // Saved before at this very step, by a sitting that ended here.
            fs::remove_dir_all(&whole).map_err(LabError::files("remove", &whole))?;
        }
        fs::rename(&partial, &whole).map_err(LabError::files("write", &whole))?;
        files::sync_folder(&self.folder)?;
        let all = self.list()?;
        for old in &all[..all.len().saturating_sub(2)] {
            fs::remove_dir_all(old).map_err(LabError::files("remove", old))?;
        }
        Ok(())
    }

    /// The newest state, if there is one.
    ///
    /// # Errors
    /// If it is damaged, of another format, or of another cell.
    pub(crate) fn latest(&self) -> Result<Option<(Progress, Tensors)>, LabError> {
        let Some(folder) = self.list()?.pop() else { return Ok(None) };
        let place = folder.join("manifest.json");
        let remedy = "remove this folder to go on from the checkpoint before it";
        let manifest: Manifest = serde_json::from_slice(&files::read(&place)?).map_err(|error| {
            LabError::damaged(&place, format!("not a checkpoint's manifest ({error}); {remedy}"))
        })?;
        if manifest.format != FORMAT {
            let message = format!(
                "the checkpoint has format {}, this program reads format {FORMAT}; use the version that wrote it, or {remedy}",
                manifest.format
            );
            return Err(LabError::damaged(&place, message));
        }
        if manifest.train_key != self.train_key {
            let message = format!(
                "the checkpoint belongs to the cell {}, expected {}: another network, data set or setting; {remedy}",
                manifest.train_key, self.train_key
            );
            return Err(LabError::damaged(&place, message));
        }
        let place = folder.join("state.safetensors");
        let bytes = files::read(&place)?;
        let found = sha256(&bytes);
        if found != manifest.state_sha256 {
            let message = format!(
                "the checkpoint is damaged: its SHA-256 is {found}, its manifest says {}; {remedy}",
                manifest.state_sha256
            );
            return Err(LabError::damaged(&place, message));
        }
        Ok(Some((manifest.progress, tensors::decode(&place, &bytes)?)))
    }

    /// Epochs that are done in the newest state; none where there is none that can be read.
    pub(crate) fn epochs(&self) -> usize {
        let newest = self.list().ok().and_then(|mut all| all.pop());
        let manifest = newest.and_then(|folder| files::read(&folder.join("manifest.json")).ok());
        let manifest: Option<Manifest> = manifest.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        manifest.map_or(0, |manifest| manifest.progress.epoch)
    }

    /// Removes all checkpoints, once the cell is done.
    pub(crate) fn clear(&self) -> Result<(), LabError> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).map_err(LabError::files("remove", &self.folder))?;
        }
        Ok(())
    }

    /// Whole checkpoints, oldest first.
    fn list(&self) -> Result<Vec<PathBuf>, LabError> {
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        let failed = |error| LabError::files("read", &self.folder)(error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.len() == 10 && name.bytes().all(|b| b.is_ascii_digit()) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::NamedTensor;

    fn state(value: f32) -> Tensors {
        Tensors::from([(
            "weight".to_owned(),
            NamedTensor { shape: vec![2, 1], values: vec![value, f32::NAN] },
        )])
    }

    fn progress(step: u64) -> Progress {
        Progress { step, epoch: 1, ..Progress::default() }
    }

    #[test]
    fn the_newest_whole_checkpoint_is_found_and_one_before_it_stays() -> Result<(), LabError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let checkpoints = Checkpoints::new(folder.path(), "key");
        assert!(checkpoints.latest()?.is_none());
        for step in 1..=3 {
            checkpoints.save(progress(step), &state(step as f32))?;
        }
        // A kill while the next one is written leaves a folder that is not whole.
        fs::create_dir(folder.path().join("checkpoints/0000000004.partial")).expect("a folder");
        let (found, tensors) = checkpoints.latest()?.expect("a checkpoint");
        assert_eq!(found, progress(3));
        assert_eq!(tensors["weight"].values[0], 3.0);
        assert!(tensors["weight"].values[1].is_nan());
        assert_eq!(checkpoints.list()?.len(), 2);
        Ok(())
    }

    #[test]
    fn damage_and_strangers_are_refused() -> Result<(), LabError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let checkpoints = Checkpoints::new(folder.path(), "key");
        checkpoints.save(progress(7), &state(1.0))?;
        let stranger = Checkpoints::new(folder.path(), "other").latest().expect_err("another cell's");
        assert!(stranger.to_string().contains("belongs to the cell key, expected other"), "{stranger}");

        let file = folder.path().join("checkpoints/0000000007/state.safetensors");
        let mut bytes = files::read(&file)?;
        *bytes.last_mut().expect("bytes") ^= 1;
        fs::write(&file, bytes).expect("written");
        let damaged = checkpoints.latest().expect_err("damaged");
        assert!(damaged.to_string().contains("the checkpoint is damaged"), "{damaged}");
        Ok(())
    }
}
