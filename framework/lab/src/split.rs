//! The validation split: training images that are kept apart.

use std::sync::Arc;

use balpoe_core::components::{ChooseWindow, Data, DataError, Image, Images, Split};
use balpoe_core::experiment::Validation;
use balpoe_core::random::{Purpose, Stream};

/// The images that are trained on, and those that are kept apart, with the positions that both had.
pub(crate) struct TrainingSplit {
    pub(crate) train: Split,
    pub(crate) validation: Split,
    /// Positions in the data set's training split, for identities.
    pub(crate) train_positions: Vec<u32>,
    pub(crate) validation_positions: Vec<u32>,
}

/// Divides the training images. Which images are kept apart depends on the data alone, so that every seed and arm has the
/// same ones.
pub(crate) fn divide(data: &Data, validation: Option<&Validation>) -> TrainingSplit {
    let all: Vec<u32> = (0..data.train.len() as u32).collect();
    let Some(validation) = validation else {
        let nothing = Split { images: Arc::clone(&data.train.images), labels: Vec::new() };
        return TrainingSplit {
            train: data.train.clone(),
            validation: nothing,
            train_positions: all,
            validation_positions: Vec::new(),
        };
    };
    let mut apart = Vec::new();
    let by_class = positions_by_class(&data.train.labels, data.classes.len());
    for (class, mut positions) in by_class.into_iter().enumerate() {
        let count = validation.held_out(positions.len());
        Stream::new(0, Purpose::Subset, 0, class as u64).shuffle(&mut positions);
        apart.extend_from_slice(&positions[..count]);
    }
    apart.sort_unstable();
    let kept: Vec<u32> = all.into_iter().filter(|position| apart.binary_search(position).is_err()).collect();
    TrainingSplit {
        train: subset(&data.train, &kept),
        validation: subset(&data.train, &apart),
        train_positions: kept,
        validation_positions: apart,
    }
}

/// The positions of each class's samples, in order.
pub(crate) fn positions_by_class(labels: &[u32], classes: usize) -> Vec<Vec<u32>> {
    let mut positions = vec![Vec::new(); classes];
    for (position, &label) in (0..).zip(labels) {
        positions[label as usize].push(position);
    }
    positions
}

struct Subset {
    images: Arc<dyn Images>,
    positions: Vec<u32>,
}

impl Images for Subset {
    fn read(&self, position: usize) -> Result<Image, DataError> {
        self.images.read(self.positions[position] as usize)
    }

    fn read_window(
        &self,
        position: usize,
        choose: &mut ChooseWindow<'_>,
    ) -> Result<Option<Image>, DataError> {
        self.images.read_window(self.positions[position] as usize, choose)
    }

    fn read_for_test(&self, position: usize) -> Result<Image, DataError> {
        self.images.read_for_test(self.positions[position] as usize)
    }

    fn are_resident(&self) -> bool {
        self.images.are_resident()
    }

    fn notices(&self) -> Vec<String> {
        self.images.notices()
    }
}

/// The images at these positions.
pub(crate) fn subset(split: &Split, positions: &[u32]) -> Split {
    Split {
        images: Arc::new(Subset { images: Arc::clone(&split.images), positions: positions.to_vec() }),
        labels: positions.iter().map(|&p| split.labels[p as usize]).collect(),
    }
}
