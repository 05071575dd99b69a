//! From archives to the store.

use std::fs;
use std::path::PathBuf;

use balpoe_core::config::{ConfigError, Sources};
use balpoe_core::experiment::Experiment;

use super::archive::{CellFiles, unpack};
use crate::data_record::DataRecord;
use crate::error::LabError;
use crate::files;
use crate::image_outcomes::ImageOutcomes;
use crate::prepared::PreparedArm;
use crate::readme;
use crate::settings_text::experiment_text;
use crate::store::{
    CellManifest, DATA, EVALUATIONS, FORMAT, LOG, MANIFEST, Store, StoredEvaluation, WEIGHTS,
    predictions_file,
};
use crate::tensors;

/// What became of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Import {
    /// The cell was not there.
    New,
    /// The cell was there, and got so many files that it did not have.
    Completed(usize),
    /// Everything was there already.
    Known,
}

/// A cell that was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What it is.
    pub manifest: CellManifest,
    /// What became of it.
    pub import: Import,
    /// Why this program's experiments do not find it, if they do not.
    pub unreachable: Option<String>,
}

/// An archive that was read and found whole.
struct Checked {
    path: PathBuf,
    files: CellFiles,
    manifest: CellManifest,
    record: DataRecord,
}

/// Imports archives, and all archives in folders.
///
/// Every archive is checked before anything is written: its version, the digests of its files, that they belong together, and that
/// they do not contradict what the store has. A cell that is there already gets only the files that it lacks.
///
/// # Errors
/// If an archive is damaged, newer than this program, or has another result of a cell that is there. Nothing is written then.
pub fn import(store: &Store, paths: &[PathBuf]) -> Result<Vec<Imported>, LabError> {
    let mut checked = Vec::new();
    for path in archives(paths)? {
        let (train_key, files) = unpack(&path)?;
        let archive = check(path, &train_key, files)?;
        contradictions(store, &archive)?;
        checked.push(archive);
    }
    checked.into_iter().map(|archive| write(store, archive)).collect()
}

/// Folders as the archives in them.
fn archives(paths: &[PathBuf]) -> Result<Vec<PathBuf>, LabError> {
    let mut all = Vec::new();
    for path in paths {
        if !path.exists() {
            return Err(ConfigError::new(format!("no archive `{}`", path.display())).into());
        }
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(path).map_err(LabError::files("read", path))? {
            let file = entry.map_err(LabError::files("read", path))?.path();
            if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip")) {
                found.push(file);
            }
        }
        if found.is_empty() {
            return Err(ConfigError::new(format!("no archive (.zip) in `{}`", path.display())).into());
        }
        found.sort();
        all.extend(found);
    }
    Ok(all)
}

/// Checks that the files are those of one finished cell.
fn check(path: PathBuf, train_key: &str, files: CellFiles) -> Result<Checked, LabError> {
    let within = |name: &str| path.join(name);
    let wrong = |name: &str, message: String| LabError::damaged(&within(name), message);
    let missing = |name: &str| wrong(name, "expected this file in the archive, found none".to_owned());
    let content = |name: &str| files.get(name).ok_or_else(|| missing(name));
    let damaged = |name: &str, error: serde_json::Error| wrong(name, format!("is damaged ({error})"));

    let manifest: CellManifest =
        serde_json::from_slice(content(MANIFEST)?).map_err(|error| damaged(MANIFEST, error))?;
    if manifest.format > FORMAT {
        let message =
            format!("has format {}, this program reads up to {FORMAT}; use a newer version", manifest.format);
        return Err(wrong(MANIFEST, message));
    }
    if !is_key(&manifest.train_key, 64) || manifest.train_key != train_key {
        let message =
            format!("belongs to the cell {}, the archive's index says {train_key}", manifest.train_key);
        return Err(wrong(MANIFEST, message));
    }
    if manifest.finished.is_none() {
        return Err(wrong(MANIFEST, "expected a finished cell, found one that is not".to_owned()));
    }
    let record = DataRecord::decode(&within(DATA), content(DATA)?)?;
    if record.fingerprint != manifest.data {
        let message = format!("is of the data {}, the manifest says {}", record.fingerprint, manifest.data);
        return Err(wrong(DATA, message));
    }
    for (name, content) in &files {
        let evaluation = name.strip_prefix(&format!("{EVALUATIONS}/"));
        if let Some(key) =
            evaluation.and_then(|file| file.strip_suffix(".json")).filter(|key| is_key(key, 12))
        {
            let stored: StoredEvaluation =
                serde_json::from_slice(content).map_err(|error| damaged(name, error))?;
            if stored.format > FORMAT || stored.evaluation_key.get(..12) != Some(key) {
                let message = format!(
                    "expected the evaluation {key} in format {FORMAT}, found {} in format {}",
                    stored.evaluation_key, stored.format
                );
                return Err(wrong(name, message));
            }
        } else if evaluation
            .and_then(|file| file.strip_suffix(".safetensors"))
            .is_some_and(|key| is_key(key, 12))
        {
            let outcomes = ImageOutcomes::decode(&within(name), content)?;
            if outcomes.len() != record.test_images() {
                let message =
                    format!("expected outcomes of {} images, found {}", record.test_images(), outcomes.len());
                return Err(wrong(name, message));
            }
        } else if *name == WEIGHTS
            || ["test", "validation"].iter().any(|split| *name == predictions_file(split))
        {
            tensors::decode(&within(name), content)?;
        } else if ![MANIFEST, DATA, LOG, "README.md"].contains(&name.as_str()) {
            return Err(wrong(name, "expected the files of a cell, found this one".to_owned()));
        }
    }
    Ok(Checked { path, files, manifest, record })
}

/// Whether these are so many digits of a key; anything else could lead out of the cell's folder.
fn is_key(name: &str, digits: usize) -> bool {
    name.len() == digits && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Refuses an archive whose cell is in the store with another content.
fn contradictions(store: &Store, archive: &Checked) -> Result<(), LabError> {
    let folder = store.folder(&archive.manifest.train_key);
    let Some(there) = folder.manifest()? else { return Ok(()) };
    let (arm, seed) = (&archive.manifest.arm, archive.manifest.seed);
    let remedy =
        format!("keep one of them: `balpoe runs remove {}` removes the one in the store", there.short_key());
    if there.train_key == archive.manifest.train_key && there.finished.is_none() {
        let message = format!("the cell {arm}/{seed} is begun in `{}`; {remedy}", folder.path().display());
        return Err(LabError::damaged(&archive.path, message));
    }
    for (name, content) in archive.files.iter().filter(|(name, _)| *name != "README.md") {
        let path = folder.path().join(name);
        if path.exists() && files::read(&path)? != *content {
            let message =
                format!("`{}` has another result of the cell {arm}/{seed}; {remedy}", path.display());
            return Err(LabError::damaged(&archive.path, message));
        }
    }
    Ok(())
}

fn write(store: &Store, archive: Checked) -> Result<Imported, LabError> {
    let unreachable = unreachable(&archive).err().map(|error| error.to_string());
    let folder = store.folder(&archive.manifest.train_key);
    let is_new = folder.manifest()?.is_none();
    let _claim = folder.claim()?;
    let mut added = 0;
    // The manifest last: it says that the cell is done.
    let (manifest, others): (Vec<_>, Vec<_>) = archive.files.iter().partition(|(name, _)| *name == MANIFEST);
    for (name, content) in others.into_iter().chain(manifest) {
        let path = folder.path().join(name);
        // Without a manifest, what is there is left from a write that was interrupted.
        if !is_new && path.exists() {
            continue;
        }
        files::create_folder(path.parent().unwrap_or(folder.path()))?;
        files::write_atomically(&path, content)?;
        added += 1;
    }
    readme::write(&folder)?;
    let import = match (is_new, added) {
        (true, _) => Import::New,
        (false, 0) => Import::Known,
        (false, added) => Import::Completed(added),
    };
    Ok(Imported { manifest: archive.manifest, import, unreachable })
}

/// Whether the settings of the cell lead to its key with the components of this program.
fn unreachable(archive: &Checked) -> Result<(), LabError> {
    let text = experiment_text(&archive.manifest)?;
    let experiment = Experiment::parse("settings of the manifest", &text, &[], &mut Sources::default())?;
    let Some(arm) = experiment.arms.first() else { return Ok(()) };
    let key = PreparedArm::with_data(arm, archive.record.data())?.train_key(archive.manifest.seed);
    if key.as_str() == archive.manifest.train_key {
        return Ok(());
    }
    let message = format!(
        "with this program the same settings lead to the cell {}: a component has changed since {}",
        key.short(),
        archive.manifest.program
    );
    Err(ConfigError::new(message).into())
}
