//! Reading, verifying and subsetting the files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use balpoe_core::components::{Data, DataError, Split};
use balpoe_core::digest::{Fingerprint, sha256, sha256_of_positions};

use super::official::{Cifar, OfficialFile, SIDE};
use crate::official_file;
use crate::profile::Profile;
use crate::resident::ResidentImages;
use crate::subset::{Draw, draw_subset};

/// Which training images are kept, and how the data are described.
#[derive(Clone, Copy, Debug)]
pub struct LongTailed {
    /// Shape of the class counts.
    pub profile: Profile,
    /// Images of the most frequent class over those of the rarest.
    pub imbalance_ratio: f64,
    /// Which images of a class are kept.
    pub draw: Draw,
    /// If given, classes are grouped by the counts of this imbalance ratio, whatever the real one.
    pub group_imbalance_ratio: Option<f64>,
    /// Mean of each channel in `[0, 1]`.
    pub mean: [f32; 3],
    /// Standard deviation of each channel in `[0, 1]`.
    pub deviation: [f32; 3],
}

impl Cifar {
    /// Loads the long-tailed training set and the whole test set from `root`.
    ///
    /// Every file must have its official size. A file with the official digest is taken as it is; if a training file has
    /// another one, the selected records must lie in [`Cifar::verified_subset`], and that must have its known digest.
    ///
    /// # Errors
    /// If a file is missing, of the wrong size or not official, a label is out of range, or the imbalance ratio impossible.
    pub fn load(&self, root: &Path, settings: &LongTailed) -> Result<Data, DataError> {
        let classes = self.classes();
        let train = self.read(root, self.train)?;
        let each = self.largest_class();
        let counts = settings.profile.training_counts(classes, each, settings.imbalance_ratio)?;
        let drawn = draw_subset(&train.labels, &counts, settings.draw);
        let positions = match &train.unofficial {
            None => drawn?,
            // Whatever is wrong with the labels, the reason is the file.
            Some(unofficial) => {
                let positions = drawn.map_err(|_| self.not_official(root, unofficial))?;
                self.verify_selection(root, &train, &positions, unofficial)?;
                positions
            }
        };
        let group_counts = match settings.group_imbalance_ratio {
            Some(ratio) => settings.profile.training_counts(classes, each, ratio)?,
            None => counts,
        };

        let test = self.read(root, std::slice::from_ref(&self.test))?;
        if let Some(unofficial) = &test.unofficial {
            return Err(self.not_official(root, unofficial));
        }
        let mut fingerprint = Fingerprint::default();
        fingerprint.part(self.name.as_bytes());
        for &position in &positions {
            fingerprint.bytes(train.record(position));
        }
        fingerprint.part(self.test.sha256.as_bytes());

        let every: Vec<u32> = (0..test.labels.len() as u32).collect();
        Ok(Data {
            classes: self.class_names(root),
            size: (SIDE, SIDE),
            mean: settings.mean,
            deviation: settings.deviation,
            train: train.split(&positions),
            test: test.split(&every),
            group_counts,
            fingerprint: fingerprint.hex(),
            subset: sha256_of_positions(&positions),
            distributions: BTreeMap::new(),
        })
    }

    /// How to get the files.
    pub(crate) fn remedy(&self) -> String {
        format!(
            "get it with `balpoe data fetch {}`, or let `--data` or BALPOE_DATA name the folder that holds `{}`",
            self.name, self.folder
        )
    }

    /// Reads files of the right size, whatever their digest.
    pub(super) fn read(&self, root: &Path, files: &[OfficialFile]) -> Result<Records, DataError> {
        let mut records =
            Records { bytes: Vec::new(), record: self.record(), labels: Vec::new(), unofficial: None };
        for file in files {
            let path = root.join(self.folder).join(file.name);
            let content = official_file::read(&path, file, &self.remedy())?;
            let digest = sha256(&content);
            if digest != file.sha256 && records.unofficial.is_none() {
                records.unofficial = Some(Unofficial { file: *file, digest });
            }
            for (position, record) in content.chunks_exact(self.record()).enumerate() {
                let label = record[self.label_bytes - 1];
                if usize::from(label) >= self.classes() {
                    return Err(DataError::Other(format!(
                        "record {position} of `{}` has label {label}, expected a label below {}; the file is damaged: \
                         remove it and {}",
                        path.display(),
                        self.classes(),
                        self.remedy()
                    )));
                }
                records.labels.push(u32::from(label));
            }
            if records.bytes.is_empty() {
                records.bytes = content;
            } else {
                records.bytes.extend_from_slice(&content);
            }
        }
        Ok(records)
    }

    /// Accepts positions in files that are not the official ones if their records are known to be right nevertheless.
    fn verify_selection(
        &self,
        root: &Path,
        train: &Records,
        positions: &[u32],
        unofficial: &Unofficial,
    ) -> Result<(), DataError> {
        match self.verified_positions(train) {
            Some(verified) if positions.iter().all(|p| verified.contains(p)) => Ok(()),
            _ => Err(self.not_official(root, unofficial)),
        }
    }

    /// The positions of the verified subset, if there is one and its records are right.
    pub(super) fn verified_positions(&self, train: &Records) -> Option<BTreeSet<u32>> {
        let known = self.verified_subset?;
        let counts = Profile::Exponential.counts(self.classes(), self.largest_class(), known.imbalance_ratio);
        let positions = draw_subset(&train.labels, &counts, Draw::Official).ok()?;
        let mut digest = Fingerprint::default();
        for &position in &positions {
            digest.bytes(train.record(position));
        }
        (digest.hex() == known.sha256).then(|| positions.into_iter().collect())
    }

    fn not_official(&self, root: &Path, unofficial: &Unofficial) -> DataError {
        DataError::Hash {
            path: root.join(self.folder).join(unofficial.file.name),
            expected: unofficial.file.sha256.to_owned(),
            found: unofficial.digest.clone(),
            remedy: self.remedy(),
        }
    }

    fn class_names(&self, root: &Path) -> Vec<String> {
        let listed =
            std::fs::read_to_string(root.join(self.folder).join(self.names_file)).unwrap_or_default();
        let listed: Vec<&str> = listed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let names = if listed.len() == self.classes() { &listed } else { self.names };
        names.iter().map(|&name| name.to_owned()).collect()
    }
}

/// The records of one or several files in a row.
pub(super) struct Records {
    bytes: Vec<u8>,
    /// Bytes of one record.
    record: usize,
    labels: Vec<u32>,
    /// The first file that is not the official one.
    unofficial: Option<Unofficial>,
}

struct Unofficial {
    file: OfficialFile,
    digest: String,
}

impl Records {
    fn record(&self, position: u32) -> &[u8] {
        &self.bytes[position as usize * self.record..][..self.record]
    }

    /// The images at these positions, from planes of colour to pixels.
    fn split(&self, positions: &[u32]) -> Split {
        let plane = SIDE * SIDE;
        let mut pixels = Vec::with_capacity(positions.len() * 3 * plane);
        for &position in positions {
            let record = self.record(position);
            let (red, rest) = record[self.record - 3 * plane..].split_at(plane);
            let (green, blue) = rest.split_at(plane);
            pixels.extend(red.iter().zip(green).zip(blue).flat_map(|((&r, &g), &b)| [r, g, b]));
        }
        Split {
            images: Arc::new(ResidentImages::new(SIDE, SIDE, pixels)),
            labels: positions.iter().map(|&p| self.labels[p as usize]).collect(),
        }
    }
}
