//! List files: a line `path label` for each image.

use std::path::Path;

use balpoe_core::components::DataError;
use balpoe_core::digest::{Fingerprint, sha256};

/// The images that a list names, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    /// Paths relative to the folder of the images.
    pub(super) paths: Vec<Box<str>>,
    /// Classes.
    pub(super) labels: Vec<u32>,
}

impl List {
    /// Reads a list. Text may have a byte-order mark, any line ends and blank lines; the label is the last word of a line, so that
    /// paths may have spaces in them.
    pub(super) fn read(path: &Path, remedy: &str) -> Result<Self, DataError> {
        let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                DataError::Missing { path: path.to_owned(), remedy: remedy.to_owned() }
            }
            _ => DataError::Io { path: path.to_owned(), source },
        })?;
        Self::parse(&text).map_err(|(line, found)| {
            DataError::Other(format!(
                "line {line} of `{}` is no \"path label\": \"{found}\"; correct it or remove the line",
                path.display()
            ))
        })
    }

    /// The list in a text, or the number of the first line that does not fit, and the line.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut list = Self::default();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let (path, label) = line
                .rsplit_once(char::is_whitespace)
                .and_then(|(path, label)| Some((path.trim_end(), label.parse().ok()?)))
                .ok_or_else(|| (number + 1, line.chars().take(80).collect()))?;
            list.paths.push(path.into());
            list.labels.push(label);
        }
        Ok(list)
    }

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// SHA-256 of the lines `path label`, each with a line end: of the usual file, whatever its line ends are.
    pub(super) fn digest(&self) -> String {
        let mut digest = Fingerprint::default();
        for (path, label) in self.paths.iter().zip(&self.labels) {
            digest.bytes(format!("{path} {label}\n").as_bytes());
        }
        digest.hex()
    }

    /// The smallest number of classes that these labels allow.
    pub(super) fn classes(&self) -> usize {
        self.labels.iter().max().map_or(0, |&label| label as usize + 1)
    }

    /// Refuses labels that are not below the number of classes.
    pub(super) fn check_labels(&self, path: &Path, classes: usize) -> Result<(), DataError> {
        match self.labels.iter().position(|&label| label as usize >= classes) {
            None => Ok(()),
            Some(at) => Err(DataError::Other(format!(
                "image {} of `{}`, `{}`, has label {}, expected a label below {classes}; correct the list, or `classes`",
                at + 1,
                path.display(),
                self.paths[at],
                self.labels[at]
            ))),
        }
    }
}

/// SHA-256 of a text, empty for none.
pub(super) fn digest_of(text: Option<&str>) -> String {
    text.map(sha256).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_paths_and_labels_whatever_the_line_ends_and_spaces() {
        let list = List::parse("\u{feff}a/b.jpg 3\r\n\n  with space.jpg\t12 \n").unwrap();
        assert_eq!(list.paths, ["a/b.jpg".into(), Box::from("with space.jpg")]);
        assert_eq!(list.labels, [3, 12]);
        assert_eq!(list.classes(), 13);
        let plain = List::parse("a/b.jpg 3\nwith space.jpg 12").unwrap();
        assert_eq!(list.digest(), plain.digest());
        assert_eq!(list.digest(), sha256("a/b.jpg 3\nwith space.jpg 12\n"));
        for (text, line) in [("a 1\nb", 2), ("a -1", 1), ("a 1.5", 1), ("x 1\n\ny one\n", 3)] {
            assert_eq!(List::parse(text).unwrap_err().0, line, "{text:?}");
        }
    }
}
