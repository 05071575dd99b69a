//! The cells of a store, by name.

use std::fs;

use balpoe_core::config::ConfigError;

use crate::checkpoint::Checkpoints;
use crate::error::LabError;
use crate::files::folder_size;
use crate::readme;
use crate::store::{CellFolder, CellManifest, Store, WEIGHTS, predictions_file};
use crate::stored::names_cell;

/// A cell of the store.
#[derive(Clone, Debug)]
pub struct StoredCell {
    /// Its folder.
    pub folder: CellFolder,
    /// What it is.
    pub manifest: CellManifest,
    /// How far it is.
    pub state: CellState,
    /// Whether it has the trained network.
    pub weights: bool,
    /// Whether it has the logits on all test images.
    pub predictions: bool,
    /// Bytes on disk.
    pub bytes: u64,
}

/// How far a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellState {
    /// Trained and predicted.
    Done,
    /// Begun, with so many epochs in its last checkpoint.
    Begun(usize),
    /// Being trained by some process, with so many epochs in its last checkpoint.
    Training(usize),
}

/// All cells, by experiment, arm and seed.
///
/// # Errors
/// If the store cannot be read, or a manifest is damaged.
pub fn cells(store: &Store) -> Result<Vec<StoredCell>, LabError> {
    let mut found = Vec::new();
    for folder in store.cells()? {
        let Some(manifest) = folder.manifest()? else { continue };
        let state = if manifest.finished.is_some() {
            CellState::Done
        } else {
            let epochs = Checkpoints::new(folder.path(), &manifest.train_key).epochs();
            if folder.is_claimed() { CellState::Training(epochs) } else { CellState::Begun(epochs) }
        };
        found.push(StoredCell {
            state,
            weights: folder.path().join(WEIGHTS).exists(),
            predictions: folder.path().join(predictions_file("test")).exists(),
            bytes: folder_size(folder.path()),
            folder,
            manifest,
        });
    }
    found.sort_by(|a, b| a.order().cmp(&b.order()));
    Ok(found)
}

/// The cells with these names: the beginning of a key (at least six digits), `arm/seed`, `experiment/arm/seed`, or an experiment.
///
/// # Errors
/// As [`cells`], or if no cell has one of the names.
pub fn select(store: &Store, names: &[String]) -> Result<Vec<StoredCell>, LabError> {
    let all = cells(store)?;
    let mut chosen = vec![false; all.len()];
    for name in names {
        let mut found = false;
        for (cell, chosen) in all.iter().zip(&mut chosen) {
            if cell.is_called(name) {
                (found, *chosen) = (true, true);
            }
        }
        if !found {
            let message = format!("no cell in `{}` is called `{name}`", store.root().display());
            let help = match all.as_slice() {
                [] => "the store is empty; --out names its folder".to_owned(),
                [first, ..] => format!(
                    "`balpoe runs` lists them; a name is the beginning of a key, such as `{}`, an arm with a seed, such as `{}/{}`, \
                     or an experiment, such as `{}`",
                    first.manifest.short_key(),
                    first.manifest.arm,
                    first.manifest.seed,
                    first.manifest.experiment
                ),
            };
            return Err(ConfigError::new(message).help(help).into());
        }
    }
    Ok(all.into_iter().zip(chosen).filter_map(|(cell, chosen)| chosen.then_some(cell)).collect())
}

/// The cell in words, as Markdown.
///
/// # Errors
/// If its files cannot be read.
pub fn describe(cell: &StoredCell) -> Result<String, LabError> {
    Ok(readme::text(&cell.folder, &|file| cell.folder.path().join(file).exists())?.unwrap_or_default())
}

/// Removes a cell with everything in its folder.
///
/// # Errors
/// If a process trains it, or it cannot be removed.
pub fn remove(cell: &StoredCell) -> Result<(), LabError> {
    let path = cell.folder.path();
    let _claim = cell.folder.claim()?;
    // Out of the way first: a removal that is interrupted must not leave half a result behind.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = path.with_file_name(format!(".removed-{name}"));
    let removed = (|| {
        if aside.exists() {
            fs::remove_dir_all(&aside)?;
        }
        fs::rename(path, &aside)?;
        fs::remove_dir_all(&aside)
    })();
    removed.map_err(LabError::files("remove", path))
}

impl StoredCell {
    fn order(&self) -> (&str, &str, u64, &str) {
        let manifest = &self.manifest;
        (&manifest.experiment, &manifest.arm, manifest.seed, &manifest.train_key)
    }

    fn is_called(&self, name: &str) -> bool {
        let CellManifest { experiment, arm, seed, .. } = &self.manifest;
        name == experiment
            || name == format!("{arm}/{seed}")
            || name == format!("{experiment}/{arm}/{seed}")
            || names_cell(name, &self.manifest)
    }
}
