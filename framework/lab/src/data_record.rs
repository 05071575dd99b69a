//! What evaluations need to know of a data set: everything but the images. Each cell keeps it, so that tables are made again where
//! the data set is not.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use balpoe_core::components::{Data, DataError, Image, Images, Split};
use serde::{Deserialize, Serialize};

use crate::error::LabError;

/// Version of the format. A newer one is refused.
const FORMAT: u32 = 1;

/// [`Data`] without images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DataRecord {
    format: u32,
    /// SHA-256 of everything that decides what the images are.
    pub(crate) fingerprint: String,
    /// SHA-256 of the list of the selected training images.
    subset: String,
    classes: Vec<String>,
    size: (usize, usize),
    mean: [f32; 3],
    deviation: [f32; 3],
    group_counts: Vec<usize>,
    train_labels: Vec<u32>,
    test_labels: Vec<u32>,
    /// Test distributions that the data set has lists for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    distributions: BTreeMap<String, Vec<u32>>,
}

impl DataRecord {
    /// The record of loaded data.
    pub(crate) fn of(data: &Data) -> Self {
        Self {
            format: FORMAT,
            fingerprint: data.fingerprint.clone(),
            subset: data.subset.clone(),
            classes: data.classes.clone(),
            size: data.size,
            mean: data.mean,
            deviation: data.deviation,
            group_counts: data.group_counts.clone(),
            train_labels: data.train.labels.clone(),
            test_labels: data.test.labels.clone(),
            distributions: data.distributions.clone(),
        }
    }

    /// Reads a record; `path` is for messages.
    ///
    /// # Errors
    /// If it is damaged or of a newer format.
    pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Self, LabError> {
        let record: Self = serde_json::from_slice(bytes)
            .map_err(|error| LabError::damaged(path, format!("is damaged ({error}); remove it")))?;
        let classes = record.classes.len();
        let wrong = if record.format > FORMAT {
            format!("has format {}, this program reads up to {FORMAT}; use a newer version", record.format)
        } else if record.group_counts.len() != classes {
            format!("expected {classes} class counts, found {}; remove it", record.group_counts.len())
        } else if let Some(label) =
            record.train_labels.iter().chain(&record.test_labels).find(|&&label| label as usize >= classes)
        {
            format!("expected labels below {classes}, found {label}; remove it")
        } else if let Some((name, _)) = record
            .distributions
            .iter()
            .find(|(_, rows)| rows.iter().any(|&row| row as usize >= record.test_labels.len()))
        {
            format!("expected positions below {} in `{name}`; remove it", record.test_labels.len())
        } else {
            return Ok(record);
        };
        Err(LabError::damaged(path, wrong))
    }

    /// One line of JSON.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, LabError> {
        let mut bytes = serde_json::to_vec(self)
            .map_err(|error| LabError::damaged(Path::new("data.json"), error.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The number of test images.
    pub(crate) fn test_images(&self) -> usize {
        self.test_labels.len()
    }

    /// The data set, without its images.
    pub(crate) fn data(&self) -> Data {
        let images: Arc<dyn Images> = Arc::new(Absent);
        Data {
            classes: self.classes.clone(),
            size: self.size,
            mean: self.mean,
            deviation: self.deviation,
            train: Split { images: Arc::clone(&images), labels: self.train_labels.clone() },
            test: Split { images, labels: self.test_labels.clone() },
            group_counts: self.group_counts.clone(),
            fingerprint: self.fingerprint.clone(),
            subset: self.subset.clone(),
            distributions: self.distributions.clone(),
        }
    }
}

/// Images that are not here.
struct Absent;

impl Images for Absent {
    fn read(&self, _position: usize) -> Result<Image, DataError> {
        Err(DataError::Other("the images are not here, only the record of their labels".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_the_images_comes_back_and_damage_is_refused() {
        let images: Arc<dyn Images> = Arc::new(Absent);
        let data = Data {
            classes: vec!["apple".to_owned(), "均衡".to_owned()],
            size: (8, 9),
            mean: [0.1, 0.2, 0.3],
            deviation: [0.4, 0.5, 0.6],
            train: Split { images: Arc::clone(&images), labels: vec![0, 0, 1] },
            test: Split { images, labels: vec![1, 0] },
            group_counts: vec![2, 1],
            fingerprint: "f".to_owned(),
            subset: "s".to_owned(),
            distributions: BTreeMap::from([("reversed".to_owned(), vec![1, 0])]),
        };
        let path = Path::new("data.json");
        let bytes = DataRecord::of(&data).encode().expect("encoded");
        let back = DataRecord::decode(path, &bytes).expect("whole").data();
        assert_eq!(format!("{back:?}"), format!("{data:?}"));
        assert_eq!((back.train.labels, back.test.labels), (data.train.labels, data.test.labels));

        let text = String::from_utf8(bytes).expect("text");
        for (part, replacement, complaint) in [
            ("\"format\":1", "\"format\":2", "has format 2, this program reads up to 1"),
            ("\"test_labels\":[1,0]", "\"test_labels\":[1,2]", "expected labels below 2, found 2"),
            ("\"group_counts\":[2,1]", "\"group_counts\":[2]", "expected 2 class counts, found 1"),
            ("]}", "", "is damaged"),
        ] {
            let damaged = text.replace(part, replacement);
            let error = DataRecord::decode(path, damaged.as_bytes()).expect_err("damaged");
            assert!(error.to_string().contains(complaint), "{error}");
        }
    }
}
