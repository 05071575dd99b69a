//! Files whose size and digest are known.

use std::path::Path;

use balpoe_core::components::DataError;

use crate::cifar::OfficialFile;

/// Reads a file that has its official size; the digest is the caller's to judge.
pub(crate) fn read(path: &Path, file: &OfficialFile, remedy: &str) -> Result<Vec<u8>, DataError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => {
            DataError::Missing { path: path.to_owned(), remedy: remedy.to_owned() }
        }
        _ => DataError::Io { path: path.to_owned(), source },
    };
    let found = std::fs::metadata(path).map_err(failed)?.len();
    if found != file.bytes {
        return Err(DataError::Size {
            path: path.to_owned(),
            expected: file.bytes,
            found,
            remedy: remedy.to_owned(),
        });
    }
    std::fs::read(path).map_err(failed)
}
