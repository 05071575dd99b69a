//! A cell's folder in words: its `README.md`, which `balpoe runs show` prints as well.

use std::fmt::Write as _;

use crate::error::LabError;
use crate::files::{self, folder_size};
use crate::settings_text::experiment_text;
use crate::store::{CellFolder, CellManifest, DATA, EVALUATIONS, LOG, MANIFEST, StoredEvaluation, WEIGHTS};
use crate::summary::{Key, Metric, Metrics, Subject};

/// What each file is, in the order of the list.
const FILES: [(&str, &str); 10] = [
    (
        MANIFEST,
        "what the cell is: all settings with their defaults, data, seed, program, device; and whether it is done",
    ),
    (DATA, "what evaluations need of the data set: everything but the images"),
    (LOG, "metrics of training, one a line"),
    ("log.csv", "the same as comma-separated values"),
    ("mlflow.json", "the run on an MLflow server, and what was sent to it"),
    ("checkpoints", "the state of training; the same command goes on from it"),
    (WEIGHTS, "the network after the last epoch"),
    ("predictions-test.safetensors", "every expert's logits on the whole test set"),
    (
        "predictions-validation.safetensors",
        "every expert's logits on the training images that were kept apart",
    ),
    (
        EVALUATIONS,
        "figures (.json), and what was predicted of every test image (.safetensors), by evaluation key",
    ),
];

/// The metrics that are shown of each evaluation.
const SHOWN: [Metric; 5] = [Metric::Accuracy, Metric::Many, Metric::Medium, Metric::Few, Metric::Ece];

/// Writes a cell's description anew, after something in its folder has changed.
pub(crate) fn write(cell: &CellFolder) -> Result<(), LabError> {
    let text = text(cell, &|file| cell.path().join(file).exists())?;
    text.map_or(Ok(()), |text| files::write_atomically(&cell.path().join("README.md"), text.as_bytes()))
}

/// The description of a cell as Markdown with a list of the files that it `has`; `None` where no cell was begun.
pub(crate) fn text(cell: &CellFolder, has: &dyn Fn(&str) -> bool) -> Result<Option<String>, LabError> {
    let Some(manifest) = cell.manifest()? else { return Ok(None) };
    let mut text = format!(
        "# {}, seed {}\n\nA cell of a balpoe run store: one arm of an experiment, trained with one seed.\n\n",
        manifest.title(),
        manifest.seed
    );
    facts(&mut text, &manifest);
    figures(&mut text, &cell.evaluations()?);
    text.push_str("\n## Files\n\n");
    for (name, meaning) in FILES {
        let path = cell.path().join(name);
        // Checkpoints come and go while this text stays.
        let shown = if name == "checkpoints" { manifest.finished.is_none() } else { has(name) };
        if shown {
            let size =
                if path.is_file() { format!(" ({})", size(folder_size(&path))) } else { String::new() };
            let _ = writeln!(text, "- `{name}`{size}: {meaning}");
        }
    }
    let _ = write!(text, "\n## Settings\n\n```toml\n{}```\n", experiment_text(&manifest)?);
    Ok(Some(text))
}

fn facts(text: &mut String, manifest: &CellManifest) {
    let state = match &manifest.finished {
        Some(time) => format!("done at {time}, after {} of training", minutes(manifest.seconds)),
        None => "begun; the command that began it goes on from the last checkpoint".to_owned(),
    };
    let _ = writeln!(text, "| | |\n|---|---|");
    for (name, value) in [
        ("experiment", manifest.experiment.as_str()),
        ("arm", &manifest.arm),
        ("state", &state),
        ("train key", &manifest.train_key),
        ("program", &manifest.program),
        ("device", &manifest.device),
        ("training images", &manifest.images.to_string()),
        ("data", &format!("SHA-256 {}", manifest.data)),
        ("selected training images", &format!("SHA-256 {}", manifest.subset)),
    ] {
        let _ = writeln!(text, "| {name} | {value} |");
    }
}

fn figures(text: &mut String, evaluations: &[StoredEvaluation]) {
    if evaluations.is_empty() {
        return;
    }
    text.push_str("\n## Figures\n\nOf the ensemble, in percent.\n\n| evaluation | test distribution |");
    SHOWN.iter().for_each(|metric| _ = write!(text, " {metric} |"));
    text.push_str("\n|---|---|");
    SHOWN.iter().for_each(|_| text.push_str("---:|"));
    text.push('\n');
    for evaluation in evaluations {
        let Some(distribution) = distribution(&evaluation.metrics) else { continue };
        let _ = write!(text, "| {} | {distribution} |", evaluation.evaluation_key.get(..12).unwrap_or("–"));
        for metric in SHOWN {
            match evaluation.metrics.get(&Key::new(Subject::Ensemble, distribution, metric)) {
                Some(value) => _ = write!(text, " {:.2} |", 100.0 * value),
                None => text.push_str(" – |"),
            }
        }
        text.push('\n');
    }
}

/// The test distribution that stands for the others: the uniform one where it was measured.
fn distribution(metrics: &Metrics) -> Option<&str> {
    let mut names = metrics.keys().map(|key| key.distribution.as_str());
    let first = names.next()?;
    Some(if first == "uniform" { first } else { names.find(|name| *name == "uniform").unwrap_or(first) })
}

/// A number of bytes, such as `41.5 kB`.
pub fn size(bytes: u64) -> String {
    match bytes as f64 {
        n if n < 1e3 => format!("{bytes} B"),
        n if n < 1e6 => format!("{:.1} kB", n / 1e3),
        n if n < 1e9 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.1} GB", n / 1e9),
    }
}

/// A time of training, such as `61 min`.
fn minutes(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(
            [999, 41_500, 2_500_000, 3_000_000_000].map(size),
            ["999 B", "41.5 kB", "2.5 MB", "3.0 GB"]
        );
        assert_eq!([59.6, 3660.0, 9000.0].map(minutes), ["60 s", "61 min", "2.5 h"]);
    }
}
