//! Writing files so that a reader finds either the old content or the new, whatever happens in between.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{CREATE, LabError};

/// Makes a folder and its parents.
pub(crate) fn create_folder(path: &Path) -> Result<(), LabError> {
    fs::create_dir_all(path).map_err(LabError::files(CREATE, path))
}

/// A file that is written beside its place, and takes it when it is whole.
pub(crate) struct NewFile {
    file: File,
    path: PathBuf,
    beside: PathBuf,
    whole: bool,
}

impl NewFile {
    /// Begins a file.
    pub(crate) fn create(path: &Path) -> Result<Self, LabError> {
        let beside = path.with_added_extension("partial");
        let file = File::create(&beside).map_err(LabError::files("write", path))?;
        Ok(Self { file, path: path.to_path_buf(), beside, whole: false })
    }

    /// Does something to the file.
    pub(crate) fn attempt(
        &mut self,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), LabError> {
        write(&mut self.file).map_err(LabError::files("write", &self.path))
    }

    /// Syncs the file, and renames it over what is there.
    pub(crate) fn finish(mut self) -> Result<(), LabError> {
        self.attempt(|file| file.sync_all())?;
        fs::rename(&self.beside, &self.path).map_err(LabError::files("write", &self.path))?;
        self.whole = true;
        sync_folder(match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        })
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.whole {
            // A full disk must not be left fuller.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// Writes beside, syncs, and renames over.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), LabError> {
    let mut file = NewFile::create(path)?;
    file.attempt(|file| file.write_all(content))?;
    file.finish()
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
