//! From the store to archives.

use std::path::{Path, PathBuf};

use balpoe_core::config::{ConfigError, Sources};
use balpoe_core::experiment::Experiment;

use super::archive::{CellFiles, pack};
use super::overview::{CellState, StoredCell};
use crate::data_record::DataRecord;
use crate::error::LabError;
use crate::files;
use crate::prepared::PreparedArm;
use crate::readme;
use crate::run::evaluate_cell;
use crate::settings_text::experiment_text;
use crate::store::{CellManifest, DATA, EVALUATIONS, LOG, MANIFEST, WEIGHTS, plain, predictions_file};

/// What goes into archives beyond what tables, comparisons and reports need.
#[derive(Clone, Copy, Debug, Default)]
pub struct Export {
    /// All logits, for other aggregators and calibrators.
    pub predictions: bool,
    /// The trained network.
    pub weights: bool,
}

/// An archive that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// Writes each cell to an archive of its own: to `to` itself if that ends in `.zip`, else to files in the folder `to`.
///
/// Cells of older versions keep no record of their data; it is made now, from the data set in `data_root`.
///
/// # Errors
/// If a cell is not done, several cells would go to one file, another file is in the place of an archive, or anything cannot be
/// read or written. Nothing is written then, unless the writing itself fails.
pub fn export(
    cells: &[StoredCell],
    to: &Path,
    what: Export,
    data_root: &Path,
) -> Result<Vec<Exported>, LabError> {
    let single = to.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
    if single && cells.len() > 1 {
        let message = format!("expected one cell for the archive `{}`, found {}", to.display(), cells.len());
        return Err(ConfigError::new(message)
            .help("let --to name a folder: each cell gets its own archive")
            .into());
    }
    if let Some(cell) = cells.iter().find(|cell| cell.state != CellState::Done) {
        let CellManifest { arm, seed, .. } = &cell.manifest;
        let message = format!("the cell {arm}/{seed} is not done, and there is nothing to export of it");
        return Err(ConfigError::new(message).help("finish it with `balpoe experiment`").into());
    }
    let mut archives = Vec::new();
    for cell in cells {
        complete(cell, data_root)?;
        let path = if single { to.to_path_buf() } else { to.join(file_name(&cell.manifest)) };
        let bytes = pack(&cell.manifest.train_key, &content(cell, what)?)?;
        // What is there may have been exported with more, or may be another result of the same cell.
        if path.exists() && files::read(&path)? != bytes {
            let message = format!("`{}` is there with another content", path.display());
            return Err(ConfigError::new(message).help("remove it, or let --to name another place").into());
        }
        archives.push((path, bytes));
    }
    let mut written = Vec::new();
    for (path, bytes) in archives {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            files::create_folder(folder)?;
        }
        files::write_atomically(&path, &bytes)?;
        written.push(Exported { path, bytes: bytes.len() as u64 });
    }
    Ok(written)
}

/// The files of a cell that go into its archive.
fn content(cell: &StoredCell, what: Export) -> Result<CellFiles, LabError> {
    let mut names = vec![MANIFEST.to_owned(), DATA.to_owned(), LOG.to_owned()];
    names.extend(cell.folder.evaluation_files()?.into_iter().map(|name| format!("{EVALUATIONS}/{name}")));
    if what.predictions {
        names.extend(["test", "validation"].map(predictions_file));
    }
    if what.weights {
        names.push(WEIGHTS.to_owned());
    }
    let mut content = CellFiles::new();
    for name in names {
        let path = cell.folder.path().join(&name);
        if path.exists() {
            content.insert(name, files::read(&path)?);
        }
    }
    for (wanted, file) in [(what.predictions, predictions_file("test")), (what.weights, WEIGHTS.to_owned())] {
        if wanted && !content.contains_key(&file) {
            return Err(LabError::NotKept { path: cell.folder.path().join(file) });
        }
    }
    let has = |file: &str| content.keys().any(|name| name.split('/').next() == Some(file));
    let readme = readme::text(&cell.folder, &has)?;
    content.extend(readme.map(|text| ("README.md".to_owned(), text.into_bytes())));
    Ok(content)
}

/// Adds what cells of older versions lack: the record of the data, and the outcomes of single images.
fn complete(cell: &StoredCell, data_root: &Path) -> Result<(), LabError> {
    let (folder, manifest) = (&cell.folder, &cell.manifest);
    let evaluations = folder.evaluation_files()?;
    let lacks_outcomes = evaluations
        .iter()
        .filter_map(|name| name.strip_suffix(".json"))
        .any(|key| !evaluations.contains(&format!("{key}.safetensors")));
    let record = folder.data_record()?;
    if record.is_some() && !evaluations.is_empty() && !(lacks_outcomes && cell.predictions) {
        return Ok(());
    }
    let text = experiment_text(manifest)?;
    let experiment = Experiment::parse("settings of the manifest", &text, &[], &mut Sources::default())?;
    let [arm] = &experiment.arms[..] else { return Ok(()) };
    let prepared = match &record {
        Some(record) => PreparedArm::with_data(arm, record.data())?,
        None => PreparedArm::new(arm, data_root)?,
    };
    let found = DataRecord::of(&prepared.data);
    if found.fingerprint != manifest.data {
        let message = format!(
            "was trained on data with the SHA-256 {}, found {} in `{}`; let --data name the folder of the same data",
            manifest.data,
            found.fingerprint,
            data_root.display()
        );
        return Err(LabError::damaged(folder.path(), message));
    }
    if record.is_none() {
        folder.write_data_record(&found)?;
    }
    let key = prepared.train_key(manifest.seed);
    // Other versions of components lead to other keys; their figures stay as they are.
    if key.as_str() == manifest.train_key {
        let evaluation = prepared.evaluation_key(&key);
        if folder.image_outcomes(&evaluation)?.is_none() {
            evaluate_cell(&prepared, folder, &evaluation)?;
        }
    }
    readme::write(folder)
}

/// Such as `cifar100-lt-seed1-4b56312e7f88.zip`.
fn file_name(manifest: &CellManifest) -> String {
    format!("{}-seed{}-{}.zip", plain(&manifest.title()), manifest.seed, manifest.short_key())
}
