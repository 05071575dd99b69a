//! Event files that TensorBoard opens: `Event` messages of protocol buffers in the framing of TFRecord.
//!
//! A record is the length of its data (u64), the masked CRC-32C of the length (u32), the data, and the masked CRC-32C of the data,
//! all little-endian (TensorFlow, `lib/io/record_writer.cc`). Of the messages (`event.proto`, `summary.proto`) only scalars are
//! written.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::lines::Measurement;
use crate::error::LabError;
use crate::files;

/// The file; TensorBoard looks for `tfevents` in names.
const NAME: &str = "events.out.tfevents.balpoe";

/// What the first record of every file says.
const VERSION: &str = "brain.Event:2";

/// An event file that grows.
#[derive(Debug)]
pub(crate) struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Opens the event file in this folder, cuts it back to what was measured up to this step, and adds what it lacks of what was
    /// measured before, perhaps by a sitting without event file.
    pub(crate) fn open(folder: &Path, last_step: u64, before: &[Measurement]) -> Result<Self, LabError> {
        files::create_folder(folder)?;
        let path = folder.join(NAME);
        let bytes = if path.exists() { files::read(&path)? } else { Vec::new() };
        let (kept, kept_step) = kept(&bytes, last_step);
        let open = || -> std::io::Result<File> {
            let file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.set_len(kept as u64)?;
            Ok(file)
        };
        let file = open().map_err(LabError::files("write", &path))?;
        let mut events = Self { path, file };
        if kept == 0 {
            events.write(&record(&first_event(now())))?;
        }
        let lacking: Vec<Measurement> = before.iter().filter(|m| m.step > kept_step).cloned().collect();
        events.append(&lacking)?;
        Ok(events)
    }

    /// Appends a scalar `split/metric` for each measurement.
    pub(crate) fn append(&mut self, measurements: &[Measurement]) -> Result<(), LabError> {
        let time = now();
        let event = |m: &Measurement| {
            record(&scalar_event(time, m.step, &format!("{}/{}", m.split, m.metric), m.value as f32))
        };
        self.write(&measurements.iter().flat_map(event).collect::<Vec<u8>>())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LabError> {
        // At once, so that TensorBoard never reads half a record for long.
        self.file.write_all(bytes).map_err(LabError::files("write", &self.path))
    }
}

/// Seconds since 1970. Results do not depend on it.
fn now() -> f64 {
    jiff::Timestamp::now().as_microsecond() as f64 * 1e-6
}

/// The event that begins a file.
fn first_event(time: f64) -> Vec<u8> {
    let mut event = double_field(1, time);
    event.extend(bytes_field(3, VERSION.as_bytes()));
    event
}

/// An event with one scalar.
fn scalar_event(time: f64, step: u64, tag: &str, value: f32) -> Vec<u8> {
    let mut scalar = bytes_field(1, tag.as_bytes());
    scalar.push((2 << 3) | 5);
    scalar.extend(value.to_le_bytes());
    let summary = bytes_field(1, &scalar);
    let mut event = double_field(1, time);
    // Zero is the default, and defaults are not written.
    if step > 0 {
        event.push(2 << 3);
        event.extend(varint(step));
    }
    event.extend(bytes_field(5, &summary));
    event
}

fn double_field(number: u8, value: f64) -> Vec<u8> {
    let mut field = vec![(number << 3) | 1];
    field.extend(value.to_le_bytes());
    field
}

fn bytes_field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![(number << 3) | 2];
    field.extend(varint(bytes.len() as u64));
    field.extend(bytes);
    field
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn read_varint(bytes: &[u8]) -> Option<u64> {
    let mut value = 0;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The data with length and checksums around.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(crc32c(&length)).to_le_bytes());
    record.extend(data);
    record.extend(masked(crc32c(data)).to_le_bytes());
    record
}

/// The length of the whole records at the beginning of a file whose steps are not beyond the last one, and the largest step in them.
fn kept(bytes: &[u8], last_step: u64) -> (usize, u64) {
    let (mut length, mut largest) = (0, 0);
    while let Some(data) = first_record(&bytes[length..]) {
        let step = step_of(data);
        if step > last_step {
            break;
        }
        length += data.len() + 16;
        largest = step.max(largest);
    }
    (length, largest)
}

/// The data of the record at the beginning, if it is whole.
fn first_record(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (check, rest) = rest.split_first_chunk::<4>()?;
    let data = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let (data_check, _) = rest[data.len()..].split_first_chunk::<4>()?;
    let whole = u32::from_le_bytes(*check) == masked(crc32c(length))
        && u32::from_le_bytes(*data_check) == masked(crc32c(data));
    whole.then_some(data)
}

/// The step of one of our own events: after the nine bytes of the time.
fn step_of(event: &[u8]) -> u64 {
    match event.get(9) {
        Some(&tag) if tag == 2 << 3 => read_varint(&event[10..]).unwrap_or(0),
        _ => 0,
    }
}

fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: logs are short.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4.
    #[test]
    fn checksums_are_crc32c() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// ```python
    /// import io                                       # tensorboard 2.21.0
    /// from tensorboard.compat.proto import event_pb2, summary_pb2
    /// from tensorboard.summary.writer.record_writer import RecordWriter
    /// out = io.BytesIO(); w = RecordWriter(out); t = 1700000000.25
    /// w.write(event_pb2.Event(wall_time=t, file_version="brain.Event:2").SerializeToString())
    /// for step, value in [(0, 0.5), (300, 2.25)]:
    ///     v = summary_pb2.Summary.Value(tag="train/loss", simple_value=value)
    ///     s = summary_pb2.Summary(value=[v])
    ///     w.write(event_pb2.Event(wall_time=t, step=step, summary=s).SerializeToString())
    /// print(out.getvalue().hex())
    /// ```
    #[test]
    fn records_are_those_of_tensorboard() {
        let golden = "1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9\
         1e00000000000000d9dc12320900001040fc54d9412a130a110a0a747261696e2f6c6f7373150000003f493e0b54\
         2100000000000000017becf60900001040fc54d94110ac022a130a110a0a747261696e2f6c6f73731500001040012bd2a0";
        let time = 1_700_000_000.25;
        let mut records = record(&first_event(time));
        for (step, value) in [(0, 0.5), (300, 2.25)] {
            records.extend(record(&scalar_event(time, step, "train/loss", value)));
        }
        let hex: String = records.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, golden);
        assert_eq!(kept(&records, 0), (records.len() - 0x21 - 16, 0));
        assert_eq!(kept(&records, 300), (records.len(), 300));
    }

    fn measurement(step: u64) -> Measurement {
        Measurement { epoch: 1, step, split: "train".into(), metric: "loss".into(), value: step as f64 }
    }

    #[test]
    fn a_file_is_cut_back_to_whole_records_of_earlier_steps() -> Result<(), LabError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(NAME);
        let length = || path.metadata().map(|file| file.len()).expect("a file");
        drop(EventFile::open(folder.path(), 0, &[])?);
        let first = length();
        let mut events = EventFile::open(folder.path(), 300, &[measurement(300)])?;
        let second = length();
        events.append(&[measurement(600), measurement(600)])?;

        drop(EventFile::open(folder.path(), 600, &[measurement(300)])?);
        assert_eq!(length(), second + 2 * (second - first), "nothing is lost");
        // A kill in the middle of a record.
        OpenOptions::new().write(true).open(&path).and_then(|f| f.set_len(second + 20)).expect("cut");
        drop(EventFile::open(folder.path(), 600, &[measurement(300)])?);
        assert_eq!(length(), second);
        drop(EventFile::open(folder.path(), 599, &[])?);
        assert_eq!(length(), second);
        drop(EventFile::open(folder.path(), 299, &[])?);
        assert_eq!(length(), first);
        Ok(())
    }
}
