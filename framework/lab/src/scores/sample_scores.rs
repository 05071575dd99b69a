//! Experts' scores on samples with labels, in files: of a finished cell, or of a model that was trained elsewhere.

use std::path::{Path, PathBuf};

use balpoe_core::components::{LogitMatrix, Predictions, SampleId, SampleSplit};
use balpoe_stats::calibration::{EvaluationError, Outcomes, Predictions as Scored, ScoreKind};

use super::array::{Array, Element, Reader, unreadable};
use super::compact::Scale;
use super::files::arrays;
use crate::error::LabError;
use crate::figures::failed;

/// Scores `[experts, samples, classes]` in files, with labels.
pub(crate) struct SampleScores {
    experts: Vec<ExpertScores>,
    pub(crate) labels: Vec<u32>,
    pub(crate) identities: Vec<SampleId>,
    pub(crate) classes: usize,
    pub(super) kind: ScoreKind,
}

/// One expert's scores `[samples, classes]`: part of an array.
struct ExpertScores {
    array: Array,
    /// Position of its first score.
    first: usize,
    /// The largest logit and the step of each row `[samples, 2]`, where logits are kept compactly.
    scales: Option<Array>,
}

impl ExpertScores {
    /// Readers of the array and of its scales.
    fn readers(&self) -> Result<(Reader<'_>, Option<Reader<'_>>), LabError> {
        Ok((self.array.reader()?, self.scales.as_ref().map(Array::reader).transpose()?))
    }
}

/// Readers of all experts, for one thread.
pub(super) struct ScoreReader<'a> {
    scores: &'a SampleScores,
    /// Of each expert's array, and of its scales.
    readers: Vec<(Reader<'a>, Option<Reader<'a>>)>,
}

impl SampleScores {
    /// Opens the predictions of a finished cell on samples of a split; the counterpart of [`ScoreWriter`](super::ScoreWriter).
    ///
    /// # Errors
    /// If the file is damaged.
    pub(crate) fn of_cell(path: &Path, split: SampleSplit) -> Result<Self, LabError> {
        let all = arrays(path)?;
        let named = |name: &str| {
            let array = all.iter().find(|array| array.name.as_deref() == Some(name)).cloned();
            array.ok_or_else(|| LabError::damaged(path, format!("expected a tensor `{name}`, found none")))
        };
        let positions = named("positions")?.whole_numbers()?;
        named("logits.0")?;
        let mut scores = Self::open(&[path.to_path_buf()], None, None, ScoreKind::Logits, 0)?;
        if positions.len() != scores.samples() {
            let (samples, found) = (scores.samples(), positions.len());
            return Err(LabError::damaged(path, format!("expected {samples} positions, found {found}")));
        }
        scores.identities = positions.into_iter().map(|position| (split, position as u32)).collect();
        Ok(scores)
    }

    /// Opens scores: one file an expert `[samples, classes]`, or arrays `[experts, samples, classes]`. `classes` must be given
    /// for plain numbers, which have no shape. Labels may be in a file of their own or an array `labels` beside the scores. Samples
    /// are numbered from `first_sample`, so that those of two models are never the same.
    pub(crate) fn open(
        scores: &[PathBuf],
        labels: Option<&Path>,
        classes: Option<usize>,
        kind: ScoreKind,
        first_sample: usize,
    ) -> Result<Self, LabError> {
        let mut found = Vec::new();
        let mut beside = None;
        for path in scores {
            let all = arrays(path)?;
            let of_scores: Vec<(Array, Option<Array>)> = all
                .iter()
                .filter(|array| is_scores(array))
                .map(|array| (array.clone(), scales_of(array, &all).cloned()))
                .filter(|(array, scales)| array.element.is_float() || scales.is_some())
                .collect();
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
        for (array, scales) in found {
            let (count, own) = extents(&array, samples, classes)?;
            if scales.as_ref().is_some_and(|scales| scales.shape != [samples, 2]) {
                return Err(array.wrong("the scales beside it are of another shape"));
            }
            if *width.get_or_insert(own) != own {
                let expected = width.unwrap_or_default();
                return Err(array.wrong(&format!("expected scores of {expected} classes, found {own}")));
            }
            experts.extend((0..count).map(|e| ExpertScores {
                array: array.clone(),
                first: e * samples * own,
                scales: scales.clone(),
            }));
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
        let numbers = first_sample..first_sample + samples;
        let identities = numbers.map(|number| (SampleSplit::Foreign, number as u32)).collect();
        Ok(Self { experts, labels, identities, classes, kind })
    }

    pub(crate) fn experts(&self) -> usize {
        self.experts.len()
    }

    pub(crate) fn samples(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn reader(&self) -> Result<ScoreReader<'_>, LabError> {
        let readers = self.experts.iter().map(ExpertScores::readers).collect::<Result<_, _>>()?;
        Ok(ScoreReader { scores: self, readers })
    }

    /// Which file an expert is in, for messages.
    pub(crate) fn wrong(&self, expert: usize, message: &str) -> LabError {
        self.experts[expert].array.wrong(message)
    }

    /// What is wrong with an expert's scores in a chunk that begins at row `first`: with the file of a model from elsewhere; with the
    /// network of a cell of ours, which diverged after its loss was last looked at.
    pub(super) fn refuse(&self, expert: usize, first: usize, error: &EvaluationError) -> LabError {
        let error = match *error {
            EvaluationError::Scores { row, kind } => EvaluationError::Scores { row: first + row, kind },
            ref error => error.clone(),
        };
        match self.identities.first() {
            Some((SampleSplit::Foreign, _)) => self.wrong(expert, &format!("expert {expert}: {error}")),
            _ => failed(error),
        }
    }

    /// Everything, as logits.
    ///
    /// # Errors
    /// If a file cannot be read, or its numbers are no scores.
    pub(crate) fn predictions(&self) -> Result<Predictions, LabError> {
        let mut whole = self.reader()?.scores(0, self.samples())?;
        for (e, expert) in whole.iter().enumerate() {
            let scored = Scored::new(&expert.values, &self.labels, self.classes, self.kind);
            scored.and_then(|scored| Outcomes::of(&scored)).map_err(|error| self.refuse(e, 0, &error))?;
        }
        if self.kind == ScoreKind::Probabilities {
            whole.iter_mut().for_each(take_logarithms);
        }
        Ok(Predictions { experts: whole, labels: self.labels.clone(), identities: self.identities.clone() })
    }
}

impl ScoreReader<'_> {
    /// Every expert's scores of some samples, as they are written.
    pub(super) fn scores(&mut self, first: usize, samples: usize) -> Result<Vec<LogitMatrix>, LabError> {
        let classes = self.scores.classes;
        let mut experts = Vec::with_capacity(self.readers.len());
        for (expert, (reader, scales)) in self.scores.experts.iter().zip(&mut self.readers) {
            let mut values = vec![0.0; samples * classes];
            let position = expert.first + first * classes;
            match scales {
                None => reader.read_floats(position, &mut values)?,
                Some(scales) => {
                    let mut of_rows = vec![0.0; samples * 2];
                    scales.read_floats(2 * first, &mut of_rows)?;
                    let steps = reader.read(position, values.len())?;
                    let rows = values.chunks_exact_mut(classes).zip(steps.chunks_exact(2 * classes));
                    for ((row, steps), &[largest, step]) in rows.zip(of_rows.as_chunks::<2>().0) {
                        Scale { largest, step }.decode(steps, row);
                    }
                }
            }
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
    let scales = array.name.as_deref().is_some_and(|name| name.starts_with("scales."));
    !scales && (array.shape.len() >= 2 || (array.name.is_none() && array.shape.len() == 1))
}

/// The scales beside logits that are kept compactly.
fn scales_of<'a>(array: &Array, all: &'a [Array]) -> Option<&'a Array> {
    let expert = array.name.as_deref()?.strip_prefix("logits.")?;
    let compact = array.element == Element::Unsigned(2) && array.shape.len() == 2;
    let scales =
        |other: &&Array| other.name.as_deref().and_then(|name| name.strip_prefix("scales.")) == Some(expert);
    all.iter().find(scales).filter(|_| compact)
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
pub(crate) fn whole_numbers(path: &Path) -> Result<Vec<u64>, LabError> {
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
pub(crate) fn parse_whole_numbers(text: &str) -> Result<Vec<u64>, String> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|_| word.to_owned())).collect()
}
