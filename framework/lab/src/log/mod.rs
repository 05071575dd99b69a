//! Logs of training: JSON lines always, other forms for those who ask for them.
//!
//! Going on from a checkpoint cuts every log back to it, so that an interruption leaves no trace: JSON lines by their length, CSV
//! (which is made from them) anew, TensorBoard's event files by step. An MLflow server cannot take back what it was sent; it is
//! sent only what it has not got.

mod csv;
mod lines;
mod mlflow;
mod tensorboard;

use std::path::Path;

pub(crate) use self::lines::{Measurement, read};

use self::csv::CsvLog;
use self::lines::LinesLog;
use self::mlflow::MlflowRun;
use self::tensorboard::EventFile;
use crate::checkpoint::Progress;
use crate::error::LabError;
use crate::event::{Event, Observer};
use crate::store::{CellFolder, CellManifest};
use crate::summary::{Metrics, Subject};

/// Which logs are written beside `log.jsonl`. They are no part of an experiment: who watches it, and where, changes no result.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// `log.csv` in the cell's folder.
    pub csv: bool,
    /// An event file in the folder of the experiment.
    pub tensorboard: bool,
    /// A run on this MLflow server.
    pub mlflow: Option<MlflowServer>,
}

/// An MLflow tracking server.
#[derive(Clone, Debug)]
pub struct MlflowServer {
    /// Such as `http://localhost:5000`.
    pub url: String,
    /// Sent as bearer token.
    pub token: Option<String>,
}

/// All logs of a cell that is being trained.
#[derive(Debug)]
pub(crate) struct Logs {
    lines: LinesLog,
    csv: Option<CsvLog>,
    events: Option<EventFile>,
    mlflow: Option<MlflowRun>,
}

impl Logs {
    /// Opens the logs and cuts them back to the state that training goes on from. `events` is the folder for the event file.
    pub(crate) fn open(
        folder: &CellFolder,
        manifest: &CellManifest,
        events: &Path,
        progress: &Progress,
        options: &LogOptions,
        observer: &Observer<'_>,
    ) -> Result<Self, LabError> {
        let cell = folder.path();
        let lines = LinesLog::open(cell, progress.log_bytes)?;
        let before = read(cell)?;
        // What was measured belongs to whole epochs, the last of which ended here.
        let last_step = progress.step - progress.batch as u64;
        let mut logs = Self {
            lines,
            csv: options.csv.then(|| CsvLog::create(cell, &before)).transpose()?,
            events: options.tensorboard.then(|| EventFile::open(events, last_step, &before)).transpose()?,
            mlflow: match &options.mlflow {
                Some(server) => Some(MlflowRun::open(server, cell, manifest, &before)?),
                None => None,
            },
        };
        logs.send(observer);
        Ok(logs)
    }

    /// Appends measurements to every log.
    pub(crate) fn append(
        &mut self,
        measurements: &[Measurement],
        observer: &Observer<'_>,
    ) -> Result<(), LabError> {
        self.lines.append(measurements)?;
        if let Some(csv) = &mut self.csv {
            csv.append(measurements)?;
        }
        if let Some(events) = &mut self.events {
            events.append(measurements)?;
        }
        if let Some(mlflow) = &mut self.mlflow {
            mlflow.queue(measurements);
        }
        self.send(observer);
        Ok(())
    }

    /// Makes `log.jsonl` durable and tells its length.
    pub(crate) fn sync(&mut self) -> Result<u64, LabError> {
        self.lines.sync()
    }

    /// Adds the ensemble's figures to TensorBoard and MLflow, which show no tables of ours, and ends the run there.
    pub(crate) fn finish(
        mut self,
        metrics: &Metrics,
        progress: &Progress,
        observer: &Observer<'_>,
    ) -> Result<(), LabError> {
        let ensemble = metrics.iter().filter(|(key, _)| key.subject == Subject::Ensemble);
        let figures: Vec<Measurement> = ensemble
            .filter_map(|(key, value)| {
                Some(Measurement {
                    epoch: progress.epoch,
                    step: progress.step,
                    split: format!("test-{}", key.distribution).into(),
                    metric: key.metric.name().into(),
                    value: value?,
                })
            })
            .collect();
        if let Some(events) = &mut self.events {
            events.append(&figures)?;
        }
        if let Some(mlflow) = &mut self.mlflow {
            mlflow.queue(&figures);
            mlflow.end("FINISHED");
        }
        self.send(observer);
        Ok(())
    }

    /// Says on the MLflow server that training failed.
    pub(crate) fn failed(&mut self, observer: &Observer<'_>) {
        if let Some(mlflow) = &mut self.mlflow {
            mlflow.end("FAILED");
        }
        self.send(observer);
    }

    /// Sends MLflow what it has not got. A server that is away must not stop training.
    fn send(&mut self, observer: &Observer<'_>) {
        if let Some(mlflow) = &mut self.mlflow
            && let Some(trouble) = mlflow.send()
        {
            observer(&Event::Notice(format!(
                "{trouble}; training goes on, and what the server has not got is sent with the next epoch"
            )));
        }
    }
}
