//! What a list data set is: its settings, and how it is loaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use balpoe_core::components::{Data, DataError, Outline, Place, Split};
use balpoe_core::config::ConfigError;
use balpoe_core::digest::Fingerprint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::images::{ListImages, View};
use super::list::{List, digest_of};
use super::pack::Pack;
use super::{distributions, names};

/// What happens with files that give no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Broken {
    /// In training, the next image of its class in the list stands for it; in tests, a black one. They are counted and reported.
    #[default]
    Replace,
    /// The run ends with an error.
    Stop,
}

/// What happens with photographs that say that the camera was turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExifOrientation {
    /// They are taken as they are stored, as the published experiments do.
    #[default]
    Ignore,
    /// They are turned upright.
    Apply,
}

/// Image files named by lists of "path label", as ImageNet-LT and iNaturalist 2018 are published.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageList {
    /// Folder of the images, in the data root. The paths in the lists begin there.
    #[schemars(extend("whereabouts" = true))]
    pub folder: PathBuf,
    /// List of the training images, in the data root.
    #[schemars(extend("whereabouts" = true))]
    pub train: PathBuf,
    /// List of the test images, in the data root.
    #[schemars(extend("whereabouts" = true))]
    pub test: PathBuf,
    /// Number of classes; the largest label decides if it is not given.
    #[serde(default)]
    pub classes: Option<usize>,
    /// Number of training images, against which the list is checked, and by which runs are planned where it is absent.
    #[serde(default)]
    #[schemars(extend("whereabouts" = true))]
    pub train_images: Option<usize>,
    /// File with the classes' names, in the data root: a name a line, or `label name`, or `label<tab>…<tab>name`. The names of
    /// folders are taken if it is not given.
    #[serde(default)]
    #[schemars(extend("whereabouts" = true))]
    pub names: Option<PathBuf>,
    /// Lists of test distributions, in the data root, with `{}` where the distribution's name stands, such as
    /// `lists/test_{}.txt`. Distributions without a list are drawn by the published formula.
    #[serde(default)]
    #[schemars(extend("whereabouts" = true))]
    pub distributions: Option<String>,
    /// Height and width of the images that the network sees.
    #[serde(default = "default_size")]
    pub size: usize,
    /// For tests, the shorter side is scaled to so many pixels before the middle is cut out; 8/7 of `size` if not given.
    #[serde(default)]
    pub test_shorter_side: Option<usize>,
    /// Reduce larger images to this shorter side before anything else. It costs sharpness where crops are small, and makes a pack
    /// of the images (`balpoe data pack`) small.
    #[serde(default)]
    pub reduce: Option<usize>,
    /// Let the JPEG decoder skip detail that the crop does not need: faster on large photographs, other pixels. Needs a program
    /// that was built with the feature `turbojpeg`.
    #[serde(default)]
    pub scaled_decoding: bool,
    /// Whether photographs are turned upright.
    #[serde(default)]
    pub exif_orientation: ExifOrientation,
    /// What happens with files that give no image.
    #[serde(default)]
    #[schemars(extend("whereabouts" = true))]
    pub broken: Broken,
    /// Mean of each channel, red first, in [0, 1].
    #[serde(default = "default_mean")]
    pub mean: [f64; 3],
    /// Standard deviation of each channel in [0, 1].
    #[serde(default = "default_deviation")]
    pub deviation: [f64; 3],
}

fn default_size() -> usize {
    224
}

/// ImageNet's.
fn default_mean() -> [f64; 3] {
    [0.485, 0.456, 0.406]
}

/// ImageNet's.
fn default_deviation() -> [f64; 3] {
    [0.229, 0.224, 0.225]
}

/// The lists of a data set, read.
pub(super) struct Lists {
    pub(super) train: List,
    pub(super) test: List,
    pub(super) classes: usize,
}

impl ImageList {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// If a setting is out of range, or settings exclude each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        let side = |key, value: Option<usize>, least: usize| match value {
            Some(value) if !(least..=4096).contains(&value) => {
                let message = format!("expected {least} to 4096 pixels, found {value}");
                Err(ConfigError::key(key, message))
            }
            _ => Ok(()),
        };
        side("size", Some(self.size), 1)?;
        side("test_shorter_side", self.test_shorter_side, self.size)?;
        side("reduce", self.reduce, 1)?;
        if self.classes == Some(0) {
            return Err(ConfigError::key("classes", "expected at least one class, found 0"));
        }
        if self.deviation.iter().any(|&d| d.is_nan() || d <= 0.0) {
            return Err(ConfigError::key("deviation", "standard deviations must be positive"));
        }
        if self.distributions.as_ref().is_some_and(|pattern| pattern.matches("{}").count() != 1) {
            let message = "expected a path with one `{}`, where the name of the distribution stands";
            return Err(ConfigError::key("distributions", message));
        }
        if self.scaled_decoding && !cfg!(feature = "turbojpeg") {
            let message = "this program was built without scaled decoding";
            return Err(ConfigError::key("scaled_decoding", message)
                .help("build it with `--features turbojpeg`, or leave the setting out"));
        }
        if self.scaled_decoding && self.reduce.is_some() {
            let message =
                "`scaled_decoding` and `reduce` exclude each other: reduced images are decoded whole";
            return Err(ConfigError::key("scaled_decoding", message).help("remove one of them"));
        }
        Ok(())
    }

    /// Loads lists, class names and test distributions. Images are read when they are wanted; only a few are looked for here.
    ///
    /// The fingerprint covers the lists (paths and labels in their order), the number of classes and their names, but not the
    /// pixels of hundreds of thousands of files: `balpoe data verify` looks at those.
    ///
    /// # Errors
    /// If a list is missing or damaged, a label is out of range, or none of the images is there.
    pub fn load(&self, place: Place<'_>) -> Result<Data, DataError> {
        let lists = self.lists(place)?;
        let Lists { train, test, classes } = lists;
        self.look_for_images(place, &train)?;
        self.look_for_images(place, &test)?;
        let listed = match &self.distributions {
            Some(pattern) => distributions::listed(place.root, pattern, &test, &self.remedy())?,
            None => std::collections::BTreeMap::new(),
        };
        let named = match &self.names {
            Some(path) => Some(self.read_text(&place.root.join(path))?),
            None => None,
        };
        let class_names = match &named {
            Some(text) => names::parse(text, classes).ok_or_else(|| {
                DataError::Other(format!(
                    "`{}` does not name each of {classes} classes once; expected a line for each, a name or \"label name\"",
                    self.names.as_deref().unwrap_or(Path::new("")).display()
                ))
            })?,
            None => names::of_folders(&train, classes),
        };
        let mut fingerprint = Fingerprint::default();
        fingerprint
            .part(b"image-list")
            .part(&(classes as u64).to_le_bytes())
            .part(train.digest().as_bytes())
            .part(test.digest().as_bytes())
            .part(digest_of(named.as_deref()).as_bytes());
        let subset = train.digest();
        let train = self.split(place, train, true);
        Ok(Data {
            classes: class_names,
            size: (self.size, self.size),
            mean: self.mean.map(|v| v as f32),
            deviation: self.deviation.map(|v| v as f32),
            group_counts: train.class_counts(classes),
            train,
            test: self.split(place, test, false),
            fingerprint: fingerprint.hex(),
            subset,
            distributions: listed,
        })
    }

    /// What is known when images or lists are absent: class counts of the list; else those of an exponential profile, from
    /// `classes` and `train_images`.
    pub fn outline(&self, place: Place<'_>) -> Option<Outline> {
        let class_counts = match self.lists(place) {
            Ok(Lists { train, classes, .. }) => {
                let mut counts = vec![0; classes];
                train.labels.iter().for_each(|&label| counts[label as usize] += 1);
                counts
            }
            Err(_) => exponential(self.classes?, self.train_images?),
        };
        Some(Outline { size: (self.size, self.size), class_counts })
    }

    /// The positions of the test images that a distribution keeps: those of its list, or by the published formula.
    ///
    /// # Errors
    /// If the name is none of a distribution, or the test set has too few images of a class.
    pub fn distribution(&self, name: &str, data: &Data) -> Result<Vec<u32>, DataError> {
        match data.distributions.get(name) {
            Some(positions) => Ok(positions.clone()),
            None => distributions::drawn(name, &data.group_counts, &data.test.labels),
        }
    }

    pub(super) fn lists(&self, place: Place<'_>) -> Result<Lists, DataError> {
        let read = |path: &Path| List::read(&place.root.join(path), &self.remedy());
        let (train, test) = (read(&self.train)?, read(&self.test)?);
        for (list, path) in [(&train, &self.train), (&test, &self.test)] {
            if list.len() == 0 {
                return Err(DataError::Other(format!(
                    "`{}` names no images",
                    place.root.join(path).display()
                )));
            }
        }
        let classes = self.classes.unwrap_or_else(|| train.classes().max(test.classes()));
        if let Some(expected) = self.train_images.filter(|&expected| expected != train.len()) {
            return Err(DataError::Other(format!(
                "`{}` names {} images, expected {expected} as `train_images` says: it is another list, or cut off",
                place.root.join(&self.train).display(),
                train.len()
            )));
        }
        train.check_labels(&place.root.join(&self.train), classes)?;
        test.check_labels(&place.root.join(&self.test), classes)?;
        Ok(Lists { train, test, classes })
    }

    /// How to get the files.
    pub(super) fn remedy(&self) -> String {
        format!(
            "put the files there, or let `--data` or BALPOE_DATA name the folder that holds `{}` and `{}`",
            self.folder.display(),
            self.train.display()
        )
    }

    /// How images are seen.
    pub(super) fn view(&self) -> View {
        View {
            size: self.size,
            test_shorter_side: self.test_shorter_side.unwrap_or(self.size * 8 / 7),
            reduce: self.reduce,
            upright: self.exif_orientation == ExifOrientation::Apply,
            scaled_decoding: self.scaled_decoding,
        }
    }

    fn split(&self, place: Place<'_>, list: List, training: bool) -> Split {
        let labels = list.labels.clone();
        // A pack that is not there, or is one of other images, is none.
        let pack = Pack::open(&self.pack_path(place, &list), list.len()).ok();
        let images = ListImages::new(
            place.root.join(&self.folder),
            Arc::new(list),
            self.view(),
            self.broken,
            training,
            pack,
        );
        Split { images: Arc::new(images), labels }
    }

    /// Some of the images must be there, or the folder is the wrong one.
    fn look_for_images(&self, place: Place<'_>, list: &List) -> Result<(), DataError> {
        const LOOKS: usize = 32;
        let folder = place.root.join(&self.folder);
        let looks = (0..LOOKS.min(list.len()))
            .map(|i| folder.join(&*list.paths[i * list.len() / LOOKS.min(list.len())]));
        if looks.into_iter().any(|path| path.is_file())
            || Pack::open(&self.pack_path(place, list), list.len()).is_ok()
        {
            return Ok(());
        }
        Err(DataError::Missing { path: folder.join(&*list.paths[0]), remedy: self.remedy() })
    }

    fn read_text(&self, path: &Path) -> Result<String, DataError> {
        std::fs::read_to_string(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                DataError::Missing { path: path.to_owned(), remedy: self.remedy() }
            }
            _ => DataError::Io { path: path.to_owned(), source },
        })
    }
}

/// So many images over classes that become rarer by a factor of 256 from the first to the last, as those of ImageNet-LT do; at
/// least one each.
fn exponential(classes: usize, images: usize) -> Vec<usize> {
    let weight = |class: usize| 256_f64.powf(-(class as f64) / (classes.max(2) - 1) as f64);
    let whole: f64 = (0..classes).map(weight).sum();
    let mut counts: Vec<usize> =
        (0..classes).map(|class| ((images as f64 * weight(class) / whole) as usize).max(1)).collect();
    let rest = images.saturating_sub(counts.iter().sum());
    counts[0] += rest;
    counts
}
