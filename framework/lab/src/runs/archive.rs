//! One cell in one file: a ZIP archive with an index that has the size and the digest of everything in it. The same cell gives the
//! same bytes.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use balpoe_core::digest::sha256;
use serde::{Deserialize, Serialize};
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipArchive, ZipWriter};

use crate::error::LabError;
use crate::files;

/// Version of the format. A newer one is refused.
const FORMAT: u32 = 1;

const INDEX: &str = "archive.json";

/// Files of a cell by their names within its folder.
pub(super) type CellFiles = BTreeMap<String, Vec<u8>>;

#[derive(Serialize, Deserialize)]
struct Index {
    /// Version of the format.
    balpoe_cell: u32,
    train_key: String,
    files: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    bytes: u64,
    sha256: String,
}

/// The bytes of an archive.
pub(super) fn pack(train_key: &str, files: &CellFiles) -> Result<Vec<u8>, LabError> {
    let entry = |content: &Vec<u8>| Entry { bytes: content.len() as u64, sha256: sha256(content) };
    let index = Index {
        balpoe_cell: FORMAT,
        train_key: train_key.to_owned(),
        files: files.iter().map(|(name, content)| (name.clone(), entry(content))).collect(),
    };
    let packed = || -> Result<Vec<u8>, zip::result::ZipError> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let options = |content: &[u8]| {
            SimpleFileOptions::default()
                .last_modified_time(DateTime::default())
                .compression_level(Some(9))
                .large_file(content.len() >= 1 << 31)
        };
        let index = serde_json::to_vec_pretty(&index).map_err(std::io::Error::from)?;
        archive.start_file(INDEX, options(&index))?;
        archive.write_all(&index)?;
        for (name, content) in files {
            archive.start_file(name.as_str(), options(content))?;
            archive.write_all(content)?;
        }
        Ok(archive.finish()?.into_inner())
    };
    packed().map_err(|error| LabError::damaged(Path::new(INDEX), error.to_string()))
}

/// The files of an archive, every one as long as the index says and with its digest.
///
/// # Errors
/// If it is no such archive, is damaged, or of a newer format.
pub(super) fn unpack(path: &Path) -> Result<(String, CellFiles), LabError> {
    let bytes = files::read(path)?;
    let damaged = |message: String| LabError::damaged(path, message);
    let remedy = "it is damaged; copy or export it again";
    let strange = |error: &dyn std::fmt::Display| {
        damaged(format!(
            "expected an archive of `balpoe runs export`, found something else or half of one ({error})"
        ))
    };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| strange(&error))?;
    let mut index = Vec::new();
    let mut file = archive.by_name(INDEX).map_err(|error| strange(&error))?;
    file.read_to_end(&mut index)
        .map_err(|error| damaged(format!("cannot read {INDEX} ({error}); {remedy}")))?;
    drop(file);
    let index: Index = serde_json::from_slice(&index).map_err(|error| strange(&error))?;
    if index.balpoe_cell > FORMAT {
        return Err(damaged(format!(
            "the archive has format {}, this program reads up to {FORMAT}; use a newer version",
            index.balpoe_cell
        )));
    }
    let mut files = CellFiles::new();
    for (name, entry) in index.files {
        let mut content = Vec::new();
        let read = archive.by_name(&name).map_err(std::io::Error::from).and_then(|file| {
            // Not more than promised, whatever the archive would grow to.
            file.take(entry.bytes.saturating_add(1)).read_to_end(&mut content)
        });
        if let Err(error) = read {
            return Err(damaged(format!("cannot read `{name}` in it ({error}); {remedy}")));
        }
        let found = sha256(&content);
        if content.len() as u64 != entry.bytes || found != entry.sha256 {
            return Err(damaged(format!(
                "`{name}` in it has the SHA-256 {found}, its index says {}; {remedy}",
                entry.sha256
            )));
        }
        files.insert(name, content);
    }
    Ok((index.train_key, files))
}
