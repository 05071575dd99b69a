//! Writing files so that a reader finds either the old content or the new, whatever happens in between.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use crate::error::{CREATE, LabError};

/// Makes a folder and its parents.
pub(crate) fn create_folder(path: &Path) -> Result<(), LabError> {
    fs::create_dir_all(path).map_err(LabError::files(CREATE, path))
}

/// Writes beside, syncs, and renames over.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), LabError> {
    let beside = path.with_added_extension("partial");
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    if let Err(source) = written {
        // A full disk must not be left fuller.
        let _ = fs::remove_file(&beside);
        return Err(LabError::files("write", path)(source));
    }
    fs::rename(&beside, path).map_err(LabError::files("write", path))?;
    sync_folder(match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    })
}

/// Makes a rename in this folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), LabError> {
    // Windows cannot open a folder for syncing, and does not need it.
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(LabError::files("write", folder))?;
    }
    Ok(())
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, LabError> {
    fs::read(path).map_err(LabError::files("read", path))
}

/// Bytes of a file, or of everything in a folder; what cannot be read counts as nothing.
pub(crate) fn folder_size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return path.metadata().map_or(0, |file| file.len()) };
    entries.filter_map(Result::ok).map(|entry| folder_size(&entry.path())).sum()
}
