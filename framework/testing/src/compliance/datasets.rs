//! Data sets: what they load is consistent, and what they cannot load they say how to get.

use std::path::Path;

use balpoe_core::components::{DataError, Dataset, Place};

use super::Findings;

pub(super) fn check(dataset: &dyn Dataset, findings: &mut Findings) {
    let nowhere = Path::new("no-such-folder");
    let data = match dataset.load(Place { root: nowhere }) {
        Ok(data) => data,
        Err(DataError::Missing { remedy, .. }) => {
            return findings
                .expect(!remedy.trim().is_empty(), || "it does not say how to get its files".to_owned());
        }
        Err(error) => {
            return findings.note(format!("without files it must say which is missing, found: {error}"));
        }
    };
    let classes = data.classes.len();
    for (name, split) in [("training", &data.train), ("test", &data.test)] {
        findings.expect(!split.is_empty(), || format!("there are no {name} images"));
        findings.expect(split.labels.iter().all(|&label| (label as usize) < classes), || {
            format!("a {name} image is of a class that there is none of")
        });
        match split.images.read(0) {
            Ok(image) => findings.expect((image.height, image.width) == data.size, || {
                format!("images are {}x{}, `size` says {:?}", image.height, image.width, data.size)
            }),
            Err(error) => findings.note(format!("the first {name} image cannot be read: {error}")),
        }
    }
    findings.expect(data.group_counts.len() == classes, || "`group_counts` are not one a class".to_owned());
    match dataset.distribution("uniform", &data) {
        Ok(rows) => findings.expect(rows.iter().all(|&row| (row as usize) < data.test.len()), || {
            "the uniform test distribution has images that there are none of".to_owned()
        }),
        Err(error) => findings.note(format!("it has no uniform test distribution: {error}")),
    }
    findings.expect(dataset.distribution("no-such-distribution", &data).is_err(), || {
        "an unknown test distribution is not refused".to_owned()
    });
}
