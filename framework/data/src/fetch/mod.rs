//! Getting official archives: download, check, unpack.

mod download;
mod unpack;

pub use download::Archive;

use std::path::Path;

use balpoe_core::components::{DataError, Progress};

impl Archive {
    /// Downloads the archive into `root`, checks it and moves its files into the data set's folder there.
    ///
    /// An interrupted download is kept beside its target and continued by the next call.
    ///
    /// # Errors
    /// If the source cannot be reached, sends something else, or `root` cannot be written.
    pub fn fetch(&self, root: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), DataError> {
        std::fs::create_dir_all(root).map_err(failed(root))?;
        let archive = root.join(self.file_name());
        self.download(&archive, progress)?;
        unpack::unpack(&archive, self.folder, root)?;
        std::fs::remove_file(&archive).map_err(failed(&archive))
    }
}

/// The error of a file operation.
fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> DataError {
    |source| DataError::Io { path: path.to_owned(), source }
}
