//! The metric log as comma-separated values, for spreadsheets and data frames.

use std::fs::File;
use std::path::{Path, PathBuf};

use csv::Writer;

use super::lines::Measurement;
use crate::error::LabError;

/// `log.csv` of a cell.
#[derive(Debug)]
pub(crate) struct CsvLog {
    path: PathBuf,
    writer: Writer<File>,
}

impl CsvLog {
    /// Writes the log anew with what was measured before.
    pub(crate) fn create(cell: &Path, before: &[Measurement]) -> Result<Self, LabError> {
        let path = cell.join("log.csv");
        let file = File::create(&path).map_err(LabError::files("write", &path))?;
        let mut log = Self { path, writer: Writer::from_writer(file) };
        log.append(before)?;
        Ok(log)
    }

    /// Appends rows; the first one is preceded by a heading.
    pub(crate) fn append(&mut self, measurements: &[Measurement]) -> Result<(), LabError> {
        let mut append = || {
            for measurement in measurements {
                self.writer.serialize(measurement).map_err(std::io::Error::from)?;
            }
            self.writer.flush()
        };
        append().map_err(LabError::files("write", &self.path))
    }
}
