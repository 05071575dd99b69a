//! The real logits that several tests read.

#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::path::PathBuf;

/// Scores `[10000, classes]` of one model with the official test labels.
pub(crate) struct RealScores {
    pub(crate) scores: Vec<f32>,
    pub(crate) labels: Vec<u32>,
    pub(crate) classes: usize,
}

/// The folder of the real logits, or `None`, said in a plain word, where `BALPOE_DATA` does not lead to it.
pub(crate) fn logits_folder() -> Option<PathBuf> {
    let Some(root) = std::env::var_os("BALPOE_DATA") else {
        println!("skipped: BALPOE_DATA is not set");
        return None;
    };
    let folder = PathBuf::from(root).join("logits");
    if !folder.is_dir() {
        println!("skipped: BALPOE_DATA holds no logits");
        return None;
    }
    Some(folder)
}

/// Reads one model's scores, named as its file without the ending.
pub(crate) fn read(folder: &std::path::Path, name: &str) -> RealScores {
    let ending = if folder.join(format!("{name}.probs.f32")).exists() { "probs" } else { "logits" };
    let bytes = std::fs::read(folder.join(format!("{name}.{ending}.f32"))).unwrap();
    let scores = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let (data_set, classes) = if name.starts_with("cifar100") { ("cifar100", 100) } else { ("cifar10", 10) };
    let labels = std::fs::read(folder.join(format!("{data_set}_test_labels.u8"))).unwrap();
    RealScores { scores, labels: labels.into_iter().map(u32::from).collect(), classes }
}
