//! The metric log of a cell: append-only JSON lines in long form, so that a metric added later changes no column.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::LabError;
use crate::files;
use crate::store::LOG;

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// The epoch, from one.
    pub(crate) epoch: usize,
    /// Updates so far.
    pub(crate) step: u64,
    /// `train`, or `test-` with the name of a test distribution.
    pub(crate) split: Cow<'static, str>,
    /// What was measured.
    pub(crate) metric: Cow<'static, str>,
    /// The value.
    pub(crate) value: f64,
}

/// `log.jsonl` of a cell.
#[derive(Debug)]
pub(crate) struct LinesLog {
    path: PathBuf,
    file: File,
}

impl LinesLog {
    /// Opens the log and cuts it back to the length that belongs to the state that training goes on from.
    pub(crate) fn open(cell: &Path, length: u64) -> Result<Self, LabError> {
        let path = cell.join(LOG);
        let open = || {
            let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            file.set_len(length)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let file = open().map_err(LabError::files("write", &path))?;
        Ok(Self { path, file })
    }

    /// Appends lines.
    pub(crate) fn append(&mut self, measurements: &[Measurement]) -> Result<(), LabError> {
        let mut text = String::new();
        for measurement in measurements {
            let line = serde_json::to_string(measurement)
                .map_err(|e| LabError::damaged(&self.path, e.to_string()))?;
            text.push_str(&line);
            text.push('\n');
        }
        self.file.write_all(text.as_bytes()).map_err(LabError::files("write", &self.path))
    }

    /// Makes the log durable and tells its length.
    pub(crate) fn sync(&mut self) -> Result<u64, LabError> {
        let synced = self.file.sync_all().and_then(|()| self.file.stream_position());
        synced.map_err(LabError::files("write", &self.path))
    }
}

/// The measurements of a cell's log; none where there is no log.
///
/// # Errors
/// If it cannot be read or is damaged.
pub(crate) fn read(cell: &Path) -> Result<Vec<Measurement>, LabError> {
    let path = cell.join(LOG);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = files::read(&path)?;
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let measurement = |line| {
        serde_json::from_slice(line)
            .map_err(|error| LabError::damaged(&path, format!("is damaged ({error}); remove it")))
    };
    lines.map(measurement).collect()
}
