//! What stands for a data set where only its sizes matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use balpoe_core::components::{Data, DataError, Image, Images, Split};

/// A data set of these sizes that has labels and no images. `size` is the images' height and width.
pub(super) fn sizes_only(size: (usize, usize), class_counts: &[usize]) -> Data {
    let labels: Vec<u32> =
        (0_u32..).zip(class_counts).flat_map(|(class, &n)| std::iter::repeat_n(class, n)).collect();
    let split = Split { images: Arc::new(NoImages), labels };
    Data {
        classes: (0..class_counts.len()).map(|class| class.to_string()).collect(),
        size,
        mean: [0.5; 3],
        deviation: [0.25; 3],
        train: split.clone(),
        test: split,
        group_counts: class_counts.to_vec(),
        fingerprint: String::new(),
        subset: String::new(),
        distributions: BTreeMap::new(),
    }
}

/// The images of a data set that has none.
pub(super) struct NoImages;

impl Images for NoImages {
    fn read(&self, position: usize) -> Result<Image, DataError> {
        Err(DataError::Other(format!("a benchmark has no image {position}")))
    }
}
