//! Looking at the files, and getting them.

use std::path::Path;

use balpoe_core::components::{DataError, FileReport, FileState, Progress};
use balpoe_core::digest::sha256;

use super::official::{Cifar, OfficialFile};
use crate::official_file;

impl Cifar {
    /// What is there of the files: first the training files in order, then the test file.
    ///
    /// # Errors
    /// If a file is there but cannot be read.
    pub fn verify(&self, root: &Path) -> Result<Vec<FileReport>, DataError> {
        let files = self.train.iter().chain(std::iter::once(&self.test));
        let mut reports = files.map(|file| self.look_at(root, file)).collect::<Result<Vec<_>, _>>()?;
        let (train, _) = reports.split_at_mut(self.train.len());
        if let Some(known) = self.verified_subset
            && train.iter().any(|report| report.state == FileState::Wrong)
            && self.read(root, self.train).is_ok_and(|records| self.verified_positions(&records).is_some())
        {
            for report in train.iter_mut().filter(|report| report.state == FileState::Wrong) {
                report.state = FileState::Partial;
                report.meaning = format!(
                    "not the official file, but its records of the official subset are right: usable with subset = \
                     \"official\" and an imbalance ratio of at least {}",
                    known.imbalance_ratio
                );
            }
        }
        Ok(reports)
    }

    fn look_at(&self, root: &Path, file: &OfficialFile) -> Result<FileReport, DataError> {
        let path = root.join(self.folder).join(file.name);
        let (state, meaning) = match official_file::read(&path, file, &self.remedy()) {
            Ok(content) => match sha256(&content) {
                digest if digest == file.sha256 => (FileState::Verified, "the official file".to_owned()),
                digest => (
                    FileState::Wrong,
                    format!("not the official file: its SHA-256 is {digest}; {}", self.remedy()),
                ),
            },
            Err(DataError::Missing { .. }) => (FileState::Missing, self.remedy()),
            Err(DataError::Size { expected, found, .. }) => {
                let meaning =
                    format!("{found} bytes where {expected} are expected; remove it and {}", self.remedy());
                (FileState::Wrong, meaning)
            }
            Err(other) => return Err(other),
        };
        Ok(FileReport { path, state, meaning })
    }

    /// Downloads and unpacks the official archive, unless all files are verified already, and verifies what came.
    ///
    /// # Errors
    /// If the archive cannot be had, or does not hold the official files.
    pub fn fetch(&self, root: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), DataError> {
        let bad = |reports: Vec<FileReport>| reports.into_iter().find(|r| r.state != FileState::Verified);
        if bad(self.verify(root)?).is_none() {
            return Ok(());
        }
        self.archive.fetch(root, progress)?;
        match bad(self.verify(root)?) {
            None => Ok(()),
            Some(report) => Err(DataError::Other(format!(
                "the archive of {} was unpacked, but `{}` is {}",
                self.archive.url,
                report.path.display(),
                report.meaning
            ))),
        }
    }
}
