//! A model that was trained elsewhere: its experts' scores on samples with labels.

use std::path::{Path, PathBuf};

use balpoe_core::components::{LogitMatrix, Predictions, SampleSplit};
use balpoe_stats::calibration::{EvaluationError, Outcomes, Predictions as Scored, ScoreKind};

use super::array::{Array, Reader, unreadable};
use super::files::arrays;
use crate::error::LabError;

/// Scores `[experts, samples, classes]` in files, with labels.
pub(super) struct Model {
    experts: Vec<ExpertScores>,
    pub(super) labels: Vec<u32>,
    pub(super) classes: usize,
    pub(super) kind: ScoreKind,
}

/// One expert's scores `[samples, classes]`: part of an array.
struct ExpertScores {
    array: Array,
    /// Position of its first score.
    first: usize,
}

/// Readers of all experts, for one thread.
pub(super) struct ModelReader<'a> {
    model: &'a Model,
    readers: Vec<Reader<'a>>,
}

impl Model {
    /// Opens scores: one file an expert `[samples, classes]`, or arrays `[experts, samples, classes]`. `classes` must be given
    /// for plain numbers, which have no shape. Labels may be in a file of their own or an array `labels` beside the scores.
    pub(super) fn open(
        scores: &[PathBuf],
        labels: Option<&Path>,
        classes: Option<usize>,
        kind: ScoreKind,
    ) -> Result<Self, LabError> {
        let mut found = Vec::new();
        let mut beside = None;
        for path in scores {
            let all = arrays(path)?;
            let of_scores: Vec<Array> =
                all.iter().filter(|array| array.element.is_float() && is_scores(array)).cloned().collect();
            if of_scores.is_empty() {
                let shapes: Vec<String> =
                    all.iter().map(|array| format!("{:?} {:?}", array.element, array.shape)).collect();
                return Err(LabError::damaged(
                    path,
                    format!(
                        "expected float32 or float64 scores of shape [samples, classes] or [experts, samples, classes], found {}",
                        shapes.join(", ")
                    ),
                ));
            }
            found.extend(of_scores);
            beside = beside.or_else(|| all.into_iter().find(|array| array.name.as_deref() == Some("labels")));
        }
        let labels = match (labels, beside) {
            (Some(path), _) => whole_numbers(path)?,
            (None, Some(array)) => array.whole_numbers()?,
            (None, None) => {
                let path = scores.first().cloned().unwrap_or_default();
                let message = "there are no labels; give them with --labels FILE, or as an array `labels` beside the scores";
                return Err(LabError::damaged(&path, message));
            }
        };
        let samples = labels.len();
        let mut experts = Vec::new();
        let mut width = classes;
        for array in found {
            let (count, own) = extents(&array, samples, classes)?;
            if *width.get_or_insert(own) != own {
                let expected = width.unwrap_or_default();
                return Err(array.wrong(&format!("expected scores of {expected} classes, found {own}")));
            }
            experts
                .extend((0..count).map(|e| ExpertScores { array: array.clone(), first: e * samples * own }));
        }
        let classes = width.unwrap_or_default();
        if let Some(row) = labels.iter().position(|&label| label >= classes as u64) {
            let path = scores.first().cloned().unwrap_or_default();
            let message = format!(
                "has scores of {classes} classes, and the label of sample {row} is {}; expected labels below {classes}",
                labels[row]
            );
            return Err(LabError::damaged(&path, message));
        }
        let labels = labels.into_iter().map(|label| label as u32).collect();
        Ok(Self { experts, labels, classes, kind })
    }

    pub(super) fn experts(&self) -> usize {
        self.experts.len()
    }

    pub(super) fn samples(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn reader(&self) -> Result<ModelReader<'_>, LabError> {
        let readers = self.experts.iter().map(|expert| expert.array.reader()).collect::<Result<_, _>>()?;
        Ok(ModelReader { model: self, readers })
    }

    /// Which file an expert is in, for messages.
    pub(super) fn wrong(&self, expert: usize, message: &str) -> LabError {
        self.experts[expert].array.wrong(message)
    }

    /// What is wrong with an expert's scores in a chunk that begins at row `first`.
    pub(super) fn refuse(&self, expert: usize, first: usize, error: &EvaluationError) -> LabError {
        let error = match *error {
            EvaluationError::Scores { row, kind } => EvaluationError::Scores { row: first + row, kind },
            ref error => error.clone(),
        };
        self.wrong(expert, &format!("expert {expert}: {error}"))
    }

    /// Everything, as logits. Samples are numbered from `first`, so that two models' samples are never the same.
    pub(super) fn predictions(&self, first: u32) -> Result<Predictions, LabError> {
        let mut whole = self.reader()?.scores(0, self.samples())?;
        for (e, expert) in whole.iter().enumerate() {
            let scored = Scored::new(&expert.values, &self.labels, self.classes, self.kind);
            scored.and_then(|scored| Outcomes::of(&scored)).map_err(|error| self.refuse(e, 0, &error))?;
        }
        if self.kind == ScoreKind::Probabilities {
            whole.iter_mut().for_each(take_logarithms);
        }
        let identities = (first..).take(self.samples()).map(|row| (SampleSplit::Foreign, row)).collect();
        Ok(Predictions { experts: whole, labels: self.labels.clone(), identities })
    }
}

impl ModelReader<'_> {
    /// Every expert's scores of some samples, as they are written.
    pub(super) fn scores(&mut self, first: usize, samples: usize) -> Result<Vec<LogitMatrix>, LabError> {
        let classes = self.model.classes;
        let mut experts = Vec::with_capacity(self.readers.len());
        for (expert, reader) in self.model.experts.iter().zip(&mut self.readers) {
            let mut values = vec![0.0; samples * classes];
            reader.read_floats(expert.first + first * classes, &mut values)?;
            experts.push(LogitMatrix { values, classes });
        }
        Ok(experts)
    }
}

/// Probabilities become logits. One of 0 becomes the smallest normal number, so that logits stay finite.
pub(super) fn take_logarithms(probabilities: &mut LogitMatrix) {
    probabilities.values.iter_mut().for_each(|p| *p = p.max(f32::MIN_POSITIVE).ln());
}

fn is_scores(array: &Array) -> bool {
    array.shape.len() >= 2 || (array.name.is_none() && array.shape.len() == 1)
}

/// How many experts an array has, and how many classes.
fn extents(array: &Array, samples: usize, classes: Option<usize>) -> Result<(usize, usize), LabError> {
    let found = &array.shape;
    match (found[..].as_ref(), classes) {
        ([rows, classes], _) if *rows == samples => Ok((1, *classes)),
        ([experts, rows, classes], _) if *rows == samples => Ok((*experts, *classes)),
        ([length], Some(classes)) if *length > 0 && length % (samples * classes).max(1) == 0 => {
            Ok((length / (samples * classes), classes))
        }
        ([length], None) => Err(array.wrong(&format!(
            "has {length} numbers and no shape; say how many classes there are with --classes N"
        ))),
        ([length], Some(classes)) => Err(array.wrong(&format!(
            "has {length} numbers, which is no multiple of {samples} labels times {classes} classes"
        ))),
        _ => Err(array.wrong(&format!(
            "expected scores [samples, classes] or [experts, samples, classes] of {samples} samples, as there are labels; found {found:?}"
        ))),
    }
}

/// Whole numbers from a file: labels, class counts. A text file has them apart by spaces, commas or lines.
pub(super) fn whole_numbers(path: &Path) -> Result<Vec<u64>, LabError> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    if let Some("txt" | "csv") = extension {
        let bytes = std::fs::read(path).map_err(unreadable(path))?;
        let text = String::from_utf8_lossy(&bytes);
        return parse_whole_numbers(&text).map_err(|word| {
            LabError::damaged(path, format!("expected whole numbers of at least 0, found `{word}`"))
        });
    }
    let mut all = arrays(path)?;
    let named = all.iter().position(|array| array.name.as_deref() == Some("labels"));
    match (named, all.len()) {
        (Some(position), _) => all.swap_remove(position).whole_numbers(),
        (None, 1) => all[0].whole_numbers(),
        (None, n) => Err(LabError::damaged(
            path,
            format!("expected one array or one that is called `labels`, found {n}"),
        )),
    }
}

/// Whole numbers apart by spaces, commas or lines; else the word that is none.
pub(super) fn parse_whole_numbers(text: &str) -> Result<Vec<u64>, String> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|_| word.to_owned())).collect()
}
