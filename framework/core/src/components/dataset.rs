//! Data sets: images, labels, class names, splits and test distributions.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Images;

/// Images with labels, in a fixed order.
#[derive(Clone)]
pub struct Split {
    /// The images.
    pub images: Arc<dyn Images>,
    /// Class of each image.
    pub labels: Vec<u32>,
}

impl Split {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Images of each class, `[classes]`.
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in &self.labels {
            counts[label as usize] += 1;
        }
        counts
    }
}

impl Debug for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Split of {} images", self.len())
    }
}

/// A loaded data set.
#[derive(Clone, Debug)]
pub struct Data {
    /// Class names, by label.
    pub classes: Vec<String>,
    /// Height and width of the images that the network sees.
    pub size: (usize, usize),
    /// Mean of each channel in `[0, 1]`, for normalisation.
    pub mean: [f32; 3],
    /// Standard deviation of each channel in `[0, 1]`.
    pub deviation: [f32; 3],
    /// The (long-tailed) training images.
    pub train: Split,
    /// The test images, whole and class-balanced; test distributions are subsets of it.
    pub test: Split,
    /// Training images of each class by which classes are grouped into many, medium and few-shot. Usually those of
    /// `train`; a data set may have a setting that reproduces how published numbers were grouped.
    pub group_counts: Vec<usize>,
    /// SHA-256, in hex, of everything that decides what the training and test images are.
    pub fingerprint: String,
    /// SHA-256, in hex, of the list of the selected training images alone, for the result's protocol.
    pub subset: String,
    /// Test distributions that the data set has lists for: by name, the positions in `test` that they keep. Empty for data sets
    /// that draw theirs.
    pub distributions: BTreeMap<String, Vec<u32>>,
}

/// Where a data set finds its files, and what its random choices depend on.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The data root (`--data`, else `BALPOE_DATA`, else `data/`).
    pub root: &'a Path,
}

/// What is known of a data set without its files: enough to plan a run, and to try one on generated images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Height and width of the images that the network sees.
    pub size: (usize, usize),
    /// Training images of each class, `[classes]`.
    pub class_counts: Vec<usize>,
}

/// Which images, labels, class names and splits.
pub trait Dataset: Debug + Send + Sync {
    /// Loads the data set.
    ///
    /// # Errors
    /// If files are missing, damaged, or not what they should be; the message says how to get them.
    fn load(&self, place: Place<'_>) -> Result<Data, DataError>;

    /// The positions in the test split that a named test distribution keeps, such as `uniform` or `forward50`.
    ///
    /// # Errors
    /// If the data set has no such distribution.
    fn distribution(&self, name: &str, data: &Data) -> Result<Vec<u32>, DataError>;

    /// What is known when the data cannot be loaded, from settings and the files that there are; nothing by default.
    fn outline(&self, _place: Place<'_>) -> Option<Outline> {
        None
    }

    /// Looks at every file that the data set needs. A data set without files has nothing to look at.
    ///
    /// # Errors
    /// If a file is there but cannot be read.
    fn verify(&self, _place: Place<'_>) -> Result<Vec<FileReport>, DataError> {
        Ok(Vec::new())
    }

    /// Gets the files from where their authors publish them, goes on with an interrupted download, and checks them.
    ///
    /// # Errors
    /// If there is no such source (as here), or the files cannot be had from it.
    fn fetch(&self, _place: Place<'_>, _progress: &mut dyn FnMut(Progress)) -> Result<(), DataError> {
        Err(DataError::Other("this data set has no files to download".to_owned()))
    }

    /// Decodes all images once and keeps them in files that are read faster; gives their paths. Progress counts images. Results
    /// are the same with these files and without.
    ///
    /// # Errors
    /// If the data set has no use for them (as here), or they cannot be written.
    fn pack(
        &self,
        _place: Place<'_>,
        _progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<PathBuf>, DataError> {
        Err(DataError::Other("this data set has nothing to pack: its images are in memory".to_owned()))
    }
}

/// What is known of one file of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// The file.
    pub path: PathBuf,
    /// Whether it is what it should be.
    pub state: FileState,
    /// What that means for the data set, as a lower-case fragment.
    pub meaning: String,
}

/// Whether a file is what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It has the official size and digest.
    Verified,
    /// It is not the official file, but what is known to be right in it can be used.
    Partial,
    /// It can be used, but is perhaps not what it should be.
    Suspect,
    /// It has another size or content, or cannot be read.
    Wrong,
    /// It is not there.
    Missing,
}

/// How far a download has come, in bytes, or packing, in images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is done.
    pub done: u64,
    /// All of it.
    pub total: u64,
}

/// Why data cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file is not there.
    #[error("no file `{}`; {remedy}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// How to get it.
        remedy: String,
    },
    /// A file has the wrong length.
    #[error("`{}` has {found} bytes where {expected} are expected; it is truncated or another file: remove it and {remedy}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Bytes that it should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
        /// How to get it.
        remedy: String,
    },
    /// A file's or a selection's content is not the official one.
    #[error("`{}` is not the official file: its SHA-256 is {found}, expected {expected}; remove it and {remedy}", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// SHA-256 that it should have.
        expected: String,
        /// SHA-256 that it has.
        found: String,
        /// How to get it.
        remedy: String,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Anything else, such as an unknown distribution.
    #[error("{0}")]
    Other(String),
}
