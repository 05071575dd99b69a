//! Writes experts' logits as they are made, so that memory does not grow with them.

use std::collections::BTreeMap;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::compact::{Form, Scale};
use crate::error::LabError;
use crate::files::NewFile;

/// A safetensors file with `labels` `[samples]`, `positions` `[samples]` of the samples in their split, and each expert's logits
/// `logits.0`, `logits.1` … `[samples, classes]`, in order of samples.
///
/// Compact logits are in `U16` and have `scales.0` … `[samples, 2]` beside them, the largest logit of each row and its step.
pub(crate) struct ScoreWriter {
    file: NewFile,
    form: Form,
    experts: usize,
    samples: usize,
    classes: usize,
    /// Samples that are written.
    written: usize,
    /// Where tensors begin in the file.
    starts: BTreeMap<String, u64>,
}

impl ScoreWriter {
    /// Begins the file of so many experts and classes.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn create(
        path: &Path,
        form: Form,
        (experts, classes): (usize, usize),
        labels: &[u32],
        positions: &[u32],
    ) -> Result<Self, LabError> {
        let samples = labels.len();
        let mut tensors = vec![
            ("labels".to_owned(), Dtype::F32, vec![samples]),
            ("positions".to_owned(), Dtype::F32, vec![samples]),
        ];
        for e in 0..experts {
            let element = match form {
                Form::Exact => Dtype::F32,
                Form::Compact => Dtype::U16,
            };
            tensors.push((format!("logits.{e}"), element, vec![samples, classes]));
            if form == Form::Compact {
                tensors.push((format!("scales.{e}"), Dtype::F32, vec![samples, 2]));
            }
        }
        let layout = Layout::of(tensors)
            .map_err(|error| LabError::files("write", path)(io::Error::other(error.to_string())))?;
        let file = NewFile::create(path)?;
        let mut writer = Self { file, form, experts, samples, classes, written: 0, starts: layout.starts };
        // A full disk is found before the network is run.
        writer.file.attempt(|file| file.set_len(layout.length))?;
        writer.file.attempt(|file| file.write_all(&layout.header))?;
        // Labels and positions stay far below 2^24, so that f32 holds them exactly.
        let whole = |values: &[u32]| floats(values.iter().map(|&value| value as f32));
        writer.write("labels", 0, &whole(labels))?;
        writer.write("positions", 0, &whole(positions))?;
        Ok(writer)
    }

    /// Writes the next rows of every expert, each `[rows, classes]`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn push(&mut self, experts: &[Vec<f32>]) -> Result<(), LabError> {
        let (first, classes) = (self.written as u64, self.classes);
        for (e, logits) in experts.iter().enumerate() {
            let name = format!("logits.{e}");
            match self.form {
                Form::Exact => {
                    self.write(&name, first * 4 * classes as u64, &floats(logits.iter().copied()))?;
                }
                Form::Compact => {
                    let mut codes = Vec::with_capacity(2 * logits.len());
                    let mut scales = Vec::new();
                    for row in logits.chunks_exact(classes) {
                        let scale = Scale::of(row);
                        scale.encode(row, &mut codes);
                        scales.extend([scale.largest, scale.step]);
                    }
                    self.write(&name, first * 2 * classes as u64, &codes)?;
                    self.write(&format!("scales.{e}"), first * 8, &floats(scales.into_iter()))?;
                }
            }
        }
        self.written += experts.first().map_or(0, |logits| logits.len() / classes.max(1));
        Ok(())
    }

    /// Ends the file, which is under its name from now on.
    ///
    /// # Errors
    /// If it cannot be written, or rows are missing.
    pub(crate) fn finish(self) -> Result<(), LabError> {
        if self.written != self.samples {
            let (samples, written, experts) = (self.samples, self.written, self.experts);
            let message =
                format!("expected logits of {samples} samples by {experts} experts, found {written}");
            return Err(LabError::Component { component: "prediction".to_owned(), message });
        }
        self.file.finish()
    }

    fn write(&mut self, tensor: &str, offset: u64, bytes: &[u8]) -> Result<(), LabError> {
        let place = self.starts[tensor] + offset;
        self.file.attempt(|file| {
            file.seek(SeekFrom::Start(place))?;
            file.write_all(bytes)
        })
    }
}

fn floats(values: impl Iterator<Item = f32>) -> Vec<u8> {
    values.flat_map(f32::to_le_bytes).collect()
}

/// A name, an element and a shape.
type Tensor = (String, Dtype, Vec<usize>);

/// A safetensors file that is to be filled.
struct Layout {
    /// Its beginning.
    header: Vec<u8>,
    /// Where tensors begin.
    starts: BTreeMap<String, u64>,
    /// Its bytes.
    length: u64,
}

impl Layout {
    /// Tensors are in the order in which the format's own library writes them.
    fn of(mut tensors: Vec<Tensor>) -> Result<Self, safetensors::SafeTensorError> {
        tensors.sort_by(|(a, x, _), (b, y, _)| y.cmp(x).then(a.cmp(b)));
        let mut end = 0;
        let mut infos = Vec::new();
        for (name, dtype, shape) in tensors {
            let start = end;
            end += shape.iter().product::<usize>() * dtype.bitsize() / 8;
            infos.push((name, TensorInfo { dtype, shape, data_offsets: (start, end) }));
        }
        let mut starts: BTreeMap<String, u64> =
            infos.iter().map(|(name, info)| (name.clone(), info.data_offsets.0 as u64)).collect();
        let mut text = serde_json::to_vec(&Metadata::new(None, infos)?)?;
        text.resize(text.len().next_multiple_of(8), b' ');
        let mut header = (text.len() as u64).to_le_bytes().to_vec();
        header.append(&mut text);
        let first = header.len() as u64;
        starts.values_mut().for_each(|start| *start += first);
        Ok(Self { header, starts, length: first + end as u64 })
    }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::{SafeTensors, TensorView};

    use super::*;

    #[test]
    fn the_file_is_what_the_formats_library_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.safetensors");
        let logits = |e: usize| -> Vec<f32> { (0..15).map(|i| (i * e) as f32 - 3.5).collect() };
        let (labels, positions) = ([2, 0, 1], [7, 8, 9]);
        let mut writer = ScoreWriter::create(&path, Form::Exact, (12, 5), &labels, &positions).unwrap();
        let rows = |range: std::ops::Range<usize>| -> Vec<Vec<f32>> {
            (0..12).map(|e| logits(e)[range.start * 5..range.end * 5].to_vec()).collect()
        };
        writer.push(&rows(0..2)).unwrap();
        writer.push(&rows(2..3)).unwrap();
        assert!(!path.exists(), "nothing is there before it is whole");
        writer.finish().unwrap();

        let bytes = |values: &[f32]| floats(values.iter().copied());
        let mut tensors = BTreeMap::from([
            ("labels".to_owned(), (vec![3], bytes(&[2.0, 0.0, 1.0]))),
            ("positions".to_owned(), (vec![3], bytes(&[7.0, 8.0, 9.0]))),
        ]);
        tensors.extend((0..12).map(|e| (format!("logits.{e}"), (vec![3, 5], bytes(&logits(e))))));
        let views = tensors
            .iter()
            .map(|(name, (shape, bytes))| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
        let expected = safetensors::serialize(views, None).unwrap();
        let written = std::fs::read(&path).unwrap();
        SafeTensors::deserialize(&written).unwrap();
        assert_eq!(written, expected);
    }

    #[test]
    fn rows_that_are_missing_are_told_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.safetensors");
        let mut writer = ScoreWriter::create(&path, Form::Compact, (1, 2), &[0, 1], &[0, 1]).unwrap();
        writer.push(&[vec![0.5, 1.0]]).unwrap();
        let error = writer.finish().expect_err("a row is missing");
        assert!(error.to_string().contains("expected logits of 2 samples"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
