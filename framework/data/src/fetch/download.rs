//! Downloads that go on where they were interrupted.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use balpoe_core::components::{DataError, Progress};
use balpoe_core::digest::Fingerprint;

use super::failed;

/// An archive as its authors publish it: a gzip-compressed tar with one folder.
#[derive(Clone, Copy, Debug)]
pub struct Archive {
    /// Where it is.
    pub url: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: &'static str,
    /// The folder in it.
    pub folder: &'static str,
}

/// Attempts in a row that may bring nothing.
const FRUITLESS_ATTEMPTS: u32 = 4;

/// Bytes between two reports of progress.
const CHUNK: usize = 1 << 16;

impl Archive {
    /// The last part of the address.
    pub(super) fn file_name(&self) -> &'static str {
        self.url.rsplit('/').next().unwrap_or(self.url)
    }

    /// Downloads to `target` by way of `target.part`, and checks size and digest.
    pub(super) fn download(
        &self,
        target: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), DataError> {
        let mut part_name = OsString::from(target);
        part_name.push(".part");
        let part = PathBuf::from(part_name);
        let mut fruitless = 0;
        loop {
            let before = length(&part);
            if before == self.bytes {
                break;
            }
            match self.transfer(&part, before, progress) {
                Ok(()) => break,
                Err(Stop::Refused(error)) => return Err(error),
                Err(Stop::Interrupted(_)) if length(&part) > before => fruitless = 0,
                Err(Stop::Interrupted(error)) => {
                    fruitless += 1;
                    if fruitless == FRUITLESS_ATTEMPTS {
                        return Err(error);
                    }
                    std::thread::sleep(Duration::from_millis(250 << fruitless));
                }
            }
        }
        let found = digest(&part)?;
        if found != self.sha256 {
            // Going on with it would never make it right.
            std::fs::remove_file(&part).map_err(failed(&part))?;
            return Err(DataError::Other(format!(
                "{} sent an archive with SHA-256 {found}, expected {}; it was removed: try again, and if that does not help, get the \
                 official archive by other means",
                self.url, self.sha256
            )));
        }
        std::fs::rename(&part, target).map_err(failed(target))
    }

    /// One request for what is missing after `start` bytes. What comes is appended as it comes.
    fn transfer(&self, part: &Path, start: u64, progress: &mut dyn FnMut(Progress)) -> Result<(), Stop> {
        let error = |what: String| DataError::Other(format!("cannot download {}: {what}", self.url));
        let interrupted = |what: String| Stop::Interrupted(error(what));
        let refused = |what: String| Stop::Refused(error(what));
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(Duration::from_mins(1)))
            .timeout_per_read(Some(Duration::from_mins(1)))
            .build()
            .new_agent();
        let mut request = agent.get(self.url);
        if start > 0 {
            request = request.header("range", format!("bytes={start}-"));
        }
        let response = request.call().map_err(|error| interrupted(error.to_string()))?;
        let range = response.headers().get("content-range").and_then(|value| value.to_str().ok());
        let continues = range.is_some_and(|range| range.starts_with(&format!("bytes {start}-")));
        let mut done = match response.status().as_u16() {
            206 if continues => start,
            // A server that knows no ranges sends everything.
            200 => 0,
            206 | 416 if start > 0 => {
                // It has another file than the one that was begun: start anew.
                File::create(part).map_err(failed(part))?;
                return Err(interrupted(format!("the server cannot continue after {start} bytes")));
            }
            status @ 500.. => return Err(interrupted(format!("the server answered with status {status}"))),
            status => return Err(refused(format!("the server answered with status {status}"))),
        };
        let mut file =
            if done == 0 { File::create(part) } else { OpenOptions::new().append(true).open(part) }
                .map_err(failed(part))?;
        let mut body = response.into_body().into_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            progress(Progress { done, total: self.bytes });
            let count = body.read(&mut chunk).map_err(|error| interrupted(error.to_string()))?;
            if count == 0 {
                break;
            }
            done += count as u64;
            if done > self.bytes {
                std::fs::remove_file(part).map_err(failed(part))?;
                return Err(refused(format!("the server sends more than the {} bytes expected", self.bytes)));
            }
            file.write_all(&chunk[..count]).map_err(failed(part))?;
        }
        if done < self.bytes {
            return Err(interrupted(format!("it broke off after {done} of {} bytes", self.bytes)));
        }
        file.sync_all().map_err(failed(part))?;
        Ok(())
    }
}

/// Why a transfer ended before its end.
enum Stop {
    /// Trying again may help.
    Interrupted(DataError),
    /// It will not.
    Refused(DataError),
}

impl From<DataError> for Stop {
    fn from(error: DataError) -> Self {
        Self::Refused(error)
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn digest(path: &Path) -> Result<String, DataError> {
    let mut reader = BufReader::with_capacity(CHUNK, File::open(path).map_err(failed(path))?);
    let mut digest = Fingerprint::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        match reader.read(&mut chunk).map_err(failed(path))? {
            0 => return Ok(digest.hex()),
            count => digest.bytes(&chunk[..count]),
        };
    }
}
