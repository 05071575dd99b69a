//! A look at every file of a list.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use balpoe_core::components::{DataError, FileReport, FileState, Place};
use balpoe_core::digest::sha256;

use super::dataset::{ExifOrientation, ImageList, Lists};
use super::images::{ReadError, open};
use super::list::List;
use super::names;
use super::parallel::in_parallel;
use crate::decode::Header;

/// Broken files of one kind that are named one by one.
const NAMED: usize = 20;

/// What was found of one file.
struct Finding {
    /// SHA-256 of its bytes.
    digest: String,
    header: Header,
}

/// An image of one of the two lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry<'a> {
    training: bool,
    path: &'a str,
    label: u32,
}

impl ImageList {
    /// Decodes every image of both lists, on all cores, and reports: a line for each list with what was found in it, one for each
    /// broken file (but not endlessly), one for each kind of doubt: images listed twice, equal files, and labels that do not fit
    /// the others of a folder.
    ///
    /// # Errors
    /// If a list is damaged.
    pub fn verify(&self, place: Place<'_>) -> Result<Vec<FileReport>, DataError> {
        let Lists { train, test, classes } = match self.lists(place) {
            Ok(lists) => lists,
            Err(DataError::Missing { path, remedy }) => {
                return Ok(vec![FileReport { path, state: FileState::Missing, meaning: remedy }]);
            }
            Err(other) => return Err(other),
        };
        let folder = place.root.join(&self.folder);
        let mut reports = Vec::new();
        let mut digests: BTreeMap<String, Vec<Entry<'_>>> = BTreeMap::new();
        for (list, path, training) in [(&train, &self.train, true), (&test, &self.test, false)] {
            let mut findings: Vec<Option<Result<Finding, ReadError>>> = Vec::new();
            findings.resize_with(list.len(), || None);
            let look = |position: usize| look_at(&folder.join(&*list.paths[position]));
            let Ok(()) = in_parallel(list.len(), look, |position, found| {
                findings[position] = Some(found);
                Ok::<(), Infallible>(())
            });
            let mut sums = Sums::default();
            let mut broken = Vec::new();
            for (position, found) in findings.into_iter().enumerate() {
                let path = &*list.paths[position];
                match found {
                    Some(Ok(finding)) => {
                        sums.add(&finding.header);
                        let entry = Entry { training, path, label: list.labels[position] };
                        digests.entry(finding.digest).or_default().push(entry);
                    }
                    Some(Err(error)) => broken.push((folder.join(path), error)),
                    None => {}
                }
            }
            let meaning = self.describe(list, classes, &sums, &broken);
            let state = if broken.is_empty() { FileState::Verified } else { FileState::Partial };
            reports.push(FileReport { path: place.root.join(path), state, meaning });
            reports.extend(report_broken(broken));
        }
        reports.extend(doubts(&folder, &train, &test, &digests));
        Ok(reports)
    }

    fn describe(&self, list: &List, classes: usize, sums: &Sums, broken: &[(PathBuf, ReadError)]) -> String {
        let present = list.labels.iter().collect::<std::collections::BTreeSet<_>>().len();
        let turned = match self.exif_orientation {
            ExifOrientation::Ignore => "that say the camera was turned (taken as stored)",
            ExifOrientation::Apply => "turned upright",
        };
        let missing = broken.iter().filter(|b| matches!(b.1, ReadError::Missing)).count();
        let truncated = broken
            .iter()
            .filter(|b| matches!(&b.1, ReadError::Decode(error) if error.is_truncated()))
            .count();
        let parts = [
            (sums.grey, "grey (read as RGB)"),
            (sums.cmyk, "CMYK (converted)"),
            (sums.sixteen_bit, "of 16 bits (upper eight used)"),
            (sums.turned, turned),
            (missing, "missing"),
            (truncated, "truncated"),
            (broken.len() - missing - truncated, "damaged"),
        ];
        let mut meaning = format!("{} images of {present} of {classes} classes", list.len());
        for (count, what) in parts {
            if count > 0 {
                meaning.push_str(&format!(", {count} {what}"));
            }
        }
        meaning
    }
}

#[derive(Default)]
struct Sums {
    grey: usize,
    cmyk: usize,
    sixteen_bit: usize,
    turned: usize,
}

impl Sums {
    fn add(&mut self, header: &Header) {
        self.grey += usize::from(header.grey);
        self.cmyk += usize::from(header.cmyk);
        self.sixteen_bit += usize::from(header.sixteen_bit);
        self.turned += usize::from(header.orientation != 1);
    }
}

fn look_at(path: &Path) -> Result<Finding, ReadError> {
    let encoded = open(path)?;
    let finding = Finding { digest: sha256(encoded.bytes()), header: encoded.header().clone() };
    encoded.decode()?;
    Ok(finding)
}

fn report_broken(broken: Vec<(PathBuf, ReadError)>) -> Vec<FileReport> {
    let more = broken.len().saturating_sub(NAMED);
    let mut reports: Vec<FileReport> = broken
        .into_iter()
        .take(NAMED)
        .map(|(path, error)| {
            let state =
                if matches!(error, ReadError::Missing) { FileState::Missing } else { FileState::Wrong };
            let meaning = format!("{error}; in training, another image of its class stands for it");
            FileReport { path, state, meaning }
        })
        .collect();
    if let Some(last) = reports.last_mut().filter(|_| more > 0) {
        last.meaning.push_str(&format!("; and {more} more"));
    }
    reports
}

/// What is readable, but perhaps not what it should be: a report for each kind, with the first example.
fn doubts(
    folder: &Path,
    train: &List,
    test: &List,
    digests: &BTreeMap<String, Vec<Entry<'_>>>,
) -> Vec<FileReport> {
    let mut kinds: BTreeMap<&str, Vec<(Entry<'_>, Entry<'_>)>> = BTreeMap::new();
    for same in digests.values() {
        let first = same[0];
        for &other in &same[1..] {
            let kind = if first.label != other.label {
                "labels contradict each other: the same image is listed with another label as"
            } else if first.training != other.training {
                "a training image is tested on: it is also in the test list, as"
            } else if first.path == other.path {
                "listed twice:"
            } else {
                "duplicate: the same file as"
            };
            kinds.entry(kind).or_default().push((first, other));
        }
    }
    let mut reports: Vec<FileReport> = kinds
        .into_iter()
        .map(|(kind, pairs)| {
            let (first, other) = pairs[0];
            let meaning = format!("{kind} `{}`; {} such", other.path, pairs.len());
            FileReport { path: folder.join(first.path), state: FileState::Suspect, meaning }
        })
        .collect();
    let strangers = strangers(train, test);
    if let Some((path, label, usual)) = strangers.first() {
        let meaning = format!(
            "perhaps mislabelled: its label is {label}, but most images of its folder have {usual}; {} such",
            strangers.len()
        );
        reports.push(FileReport { path: folder.join(path), state: FileState::Suspect, meaning });
    }
    reports
}

/// Images whose label is not that of nearly all others in folders of the same name: path, label, and the usual label.
fn strangers<'a>(train: &'a List, test: &'a List) -> Vec<(&'a str, u32, u32)> {
    let all = || {
        let entries = |list: &'a List| list.paths.iter().map(|path| &**path).zip(list.labels.iter().copied());
        entries(train).chain(entries(test))
    };
    let mut folders: BTreeMap<&str, BTreeMap<u32, usize>> = BTreeMap::new();
    for (path, label) in all() {
        if let Some(folder) = names::folder(path) {
            *folders.entry(folder).or_default().entry(label).or_default() += 1;
        }
    }
    let usual: BTreeMap<&str, u32> = folders
        .into_iter()
        .filter_map(|(folder, labels)| {
            let total: usize = labels.values().sum();
            let (&label, &most) = labels.iter().max_by_key(|&(_, &count)| count)?;
            // A folder that mixes classes says nothing of its images.
            (labels.len() > 1 && most * 10 >= total * 8).then_some((folder, label))
        })
        .collect();
    all()
        .filter_map(|(path, label)| {
            let usual = *usual.get(names::folder(path)?)?;
            (usual != label).then_some((path, label, usual))
        })
        .collect()
}
