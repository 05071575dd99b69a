//! Runs on an MLflow tracking server, by its REST interface (version 2.0): one run a cell.
//!
//! Which run belongs to the cell, and what was sent of it, is kept in `mlflow.json`, so that an interrupted cell goes on in the same
//! run and sends nothing twice.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::MlflowServer;
use super::lines::Measurement;
use crate::error::LabError;
use crate::files;
use crate::settings_text::experiment_tables;
use crate::store::CellManifest;

/// Longest wait for an answer. Training waits as well.
const PATIENCE: Duration = Duration::from_secs(5);

/// Metrics in one request; servers take no more.
const METRICS: usize = 1000;

/// Parameters in one request.
const PARAMETERS: usize = 100;

/// Characters of a parameter's value; servers cut or refuse longer ones.
const VALUE: usize = 500;

/// A run on a server.
#[derive(Debug)]
pub(crate) struct MlflowRun {
    server: MlflowServer,
    agent: ureq::Agent,
    /// Where the memory is kept.
    path: PathBuf,
    memory: Memory,
    experiment: String,
    name: String,
    /// Settings, as names and values.
    parameters: Vec<(String, String)>,
    queue: Vec<(Measurement, i64)>,
    /// How the run ended, if it did and the server does not know.
    end: Option<&'static str>,
    /// Whether the last attempt failed.
    in_trouble: bool,
}

/// What the server has got.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    server: String,
    run_id: Option<String>,
    /// Settings that were sent.
    parameters: usize,
    /// The last epoch whose measurements were sent.
    epoch: usize,
}

impl MlflowRun {
    /// The run of a cell, begun before or to be begun; `before` is what was measured so far.
    pub(crate) fn open(
        server: &MlflowServer,
        cell: &Path,
        manifest: &CellManifest,
        before: &[Measurement],
    ) -> Result<Self, LabError> {
        let path = cell.join("mlflow.json");
        let memory = if path.exists() { serde_json::from_slice(&files::read(&path)?).ok() } else { None };
        // Another server knows nothing yet. So does one whose memory is damaged.
        let memory: Memory = memory.filter(|memory: &Memory| memory.server == server.url).unwrap_or_default();
        let mut run = Self {
            server: server.clone(),
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(PATIENCE))
                .build()
                .new_agent(),
            path,
            memory: Memory { server: server.url.clone(), ..memory },
            experiment: manifest.experiment.clone(),
            name: format!("{} seed {}", manifest.arm, manifest.seed),
            parameters: parameters(manifest),
            queue: Vec::new(),
            end: None,
            in_trouble: false,
        };
        run.queue(before);
        Ok(run)
    }

    /// Takes measurements that the server has not got.
    pub(crate) fn queue(&mut self, measurements: &[Measurement]) {
        let sent = self.memory.epoch;
        let is_new = |m: &&Measurement| m.epoch > sent || m.split != "train";
        let time = now();
        self.queue.extend(measurements.iter().filter(is_new).map(|m| (m.clone(), time)));
    }

    /// Ends the run with this status.
    pub(crate) fn end(&mut self, status: &'static str) {
        self.end = Some(status);
    }

    /// Sends what the server has not got. Says what went wrong if it did not the time before.
    pub(crate) fn send(&mut self) -> Option<String> {
        let trouble = self.try_to_send().err();
        let told_before = std::mem::replace(&mut self.in_trouble, trouble.is_some());
        trouble.filter(|_| !told_before).map(|trouble| format!("MLflow at {}: {trouble}", self.server.url))
    }

    fn try_to_send(&mut self) -> Result<(), String> {
        let run_id = match &self.memory.run_id {
            Some(run_id) => run_id.clone(),
            None => self.begin()?,
        };
        while self.memory.parameters < self.parameters.len() {
            let rest = &self.parameters[self.memory.parameters..];
            let some = &rest[..rest.len().min(PARAMETERS)];
            let params: Vec<Json> =
                some.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
            let sent = params.len();
            self.post("runs/log-batch", &json!({ "run_id": run_id, "params": params }))?;
            self.memory.parameters += sent;
            self.remember();
        }
        while !self.queue.is_empty() {
            let some = &self.queue[..self.queue.len().min(METRICS)];
            let metric = |(m, time): &(Measurement, i64)| json!({ "key": format!("{}/{}", m.split, m.metric), "value": m.value, "timestamp": time, "step": m.step });
            let metrics: Vec<Json> = some.iter().map(metric).collect();
            let (sent, epoch) = (some.len(), some.last().map_or(0, |(m, _)| m.epoch));
            self.post("runs/log-batch", &json!({ "run_id": run_id, "metrics": metrics }))?;
            self.queue.drain(..sent);
            // What is left of the same epoch is not sent yet.
            let whole = self.queue.first().map_or(epoch, |(m, _)| m.epoch.saturating_sub(1));
            self.memory.epoch = self.memory.epoch.max(whole);
            self.remember();
        }
        if let Some(status) = self.end {
            self.post("runs/update", &json!({ "run_id": run_id, "status": status, "end_time": now() }))?;
            self.end = None;
        }
        Ok(())
    }

    /// Finds or makes the experiment, and begins a run in it.
    fn begin(&mut self) -> Result<String, String> {
        let name: String = self.experiment.bytes().map(escaped).collect();
        let found = understood(self.get(&format!("experiments/get-by-name?experiment_name={name}")));
        let experiment = match found {
            Ok(found) => text(&found, "/experiment/experiment_id")?,
            Err(Refused { status: Some(404), .. }) => {
                let made = self.post("experiments/create", &json!({ "name": self.experiment }))?;
                text(&made, "/experiment_id")?
            }
            Err(refused) => return Err(refused.message),
        };
        let begun = self.post(
            "runs/create",
            &json!({
                "experiment_id": experiment,
                "run_name": self.name,
                "start_time": now(),
                "tags": [{ "key": "mlflow.runName", "value": self.name }],
            }),
        )?;
        let run_id = text(&begun, "/run/info/run_id")?;
        self.memory.run_id = Some(run_id.clone());
        self.remember();
        Ok(run_id)
    }

    fn get(&self, path: &str) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let request = self.agent.get(self.address(path));
        match &self.server.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")).call(),
            None => request.call(),
        }
    }

    fn post(&self, path: &str, body: &Json) -> Result<Json, String> {
        let request = self.agent.post(self.address(path)).header("content-type", "application/json");
        let request = match &self.server.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        understood(request.send(body.to_string())).map_err(|refused| refused.message)
    }

    fn address(&self, path: &str) -> String {
        format!("{}/api/2.0/mlflow/{path}", self.server.url.trim_end_matches('/'))
    }

    /// Losing this memory costs repeated points, no result: a failure to write it is no failure.
    fn remember(&self) {
        if let Ok(text) = serde_json::to_vec_pretty(&self.memory) {
            let _ = files::write_atomically(&self.path, &text);
        }
    }
}

/// An answer that is none.
struct Refused {
    status: Option<u16>,
    message: String,
}

/// The JSON of an answer.
fn understood(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Json, Refused> {
    let unreachable = |error: ureq::Error| Refused { status: None, message: error.to_string() };
    let mut answer = answer.map_err(unreachable)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().read_to_string().map_err(unreachable)?;
    let json: Option<Json> = serde_json::from_str(&body).ok();
    match (status, json) {
        (200, Some(json)) => Ok(json),
        (200, None) => Err(Refused {
            status: None,
            message: "the answer is no JSON; is it an MLflow server?".to_owned(),
        }),
        (status, json) => {
            let message = json.and_then(|json| Some(json.get("message")?.as_str()?.to_owned()));
            let message = message.map(|message| format!(" ({message})")).unwrap_or_default();
            Err(Refused {
                status: Some(status),
                message: format!("the server answered with status {status}{message}"),
            })
        }
    }
}

/// A text within an answer.
fn text(answer: &Json, pointer: &str) -> Result<String, String> {
    let found = answer.pointer(pointer).and_then(Json::as_str).map(str::to_owned);
    found.ok_or_else(|| format!("expected `{}` in the answer, found none", pointer.trim_start_matches('/')))
}

/// A byte of a query, percent-encoded where it must be.
fn escaped(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// Milliseconds since 1970. Results do not depend on it.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The settings as `section.key`, and what else describes the cell.
fn parameters(manifest: &CellManifest) -> Vec<(String, String)> {
    let mut all = vec![
        ("arm".to_owned(), manifest.arm.clone()),
        ("seed".to_owned(), manifest.seed.to_string()),
        ("train_key".to_owned(), manifest.train_key.clone()),
        ("program".to_owned(), manifest.program.clone()),
        ("device".to_owned(), manifest.device.clone()),
    ];
    flatten("", &experiment_tables(manifest).unwrap_or_default(), &mut all);
    all
}

fn flatten(prefix: &str, value: &Json, all: &mut Vec<(String, String)>) {
    let within = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    match value {
        Json::Null => {}
        Json::Object(map) => map.iter().for_each(|(key, value)| flatten(&within(key), value, all)),
        Json::Array(items) if items.iter().any(Json::is_object) => {
            items.iter().enumerate().for_each(|(i, item)| flatten(&within(&i.to_string()), item, all));
        }
        value => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            all.push((prefix.to_owned(), text.chars().take(VALUE).collect()));
        }
    }
}
