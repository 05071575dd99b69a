//! An arm with its data and its network: everything that its seeds share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use balpoe_core::components::{Data, DataError, Outline, Place, SampleId, SampleSplit, Trainees};
use balpoe_core::config::ConfigError;
use balpoe_core::experiment::{Arm, Key};

use crate::error::LabError;
use crate::network::Network;
use crate::parts::PhaseParts;
use crate::scores::Form;
use crate::split::{TrainingSplit, divide};
use crate::store::Store;

/// What a reader must know of the data behind a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Training images.
    pub images: usize,
    /// Classes.
    pub classes: usize,
    /// Training images kept apart for validation.
    pub validation: usize,
    /// SHA-256 of the list of training images.
    pub subset: String,
    /// Whether the logits on the test images are too many to be kept exactly.
    pub compact: bool,
}

/// Everything about an arm that its seeds share.
pub struct PreparedArm<'a> {
    pub(crate) arm: &'a Arm,
    pub(crate) data: Arc<Data>,
    pub(crate) split: TrainingSplit,
    /// The network.
    pub network: Network,
    /// Why the images are not here, where only their record is.
    pub(crate) missing: Option<String>,
}

/// Data sets that are loaded once for all arms that use them.
pub(crate) struct Shelf<'r> {
    root: &'r Path,
    store: &'r Store,
    loaded: BTreeMap<String, Arc<Data>>,
}

impl<'r> Shelf<'r> {
    /// Nothing loaded yet, from this data root; the store's records of data serve where a data set is not there.
    pub(crate) fn new(root: &'r Path, store: &'r Store) -> Self {
        Self { root, store, loaded: BTreeMap::new() }
    }

    /// Prepares an arm; see [`PreparedArm::for_results`].
    pub(crate) fn prepare<'a>(&mut self, arm: &'a Arm, seeds: &[u64]) -> Result<PreparedArm<'a>, LabError> {
        match self.data(arm) {
            Ok(data) => PreparedArm::with(arm, data),
            Err(missing @ DataError::Missing { .. }) => {
                PreparedArm::from_record(arm, seeds, self.store, missing)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn data(&mut self, arm: &Arm) -> Result<Arc<Data>, DataError> {
        let name = format!("{} {}", arm.dataset.name, arm.dataset.settings);
        if let Some(data) = self.loaded.get(&name) {
            return Ok(Arc::clone(data));
        }
        let data = Arc::new(arm.dataset.component.load(Place { root: self.root })?);
        self.loaded.insert(name, Arc::clone(&data));
        Ok(data)
    }
}

impl<'a> PreparedArm<'a> {
    /// Loads the data of an arm and describes its network.
    ///
    /// # Errors
    /// If the data cannot be had, or settings do not fit each other.
    pub fn new(arm: &'a Arm, data_root: &Path) -> Result<Self, LabError> {
        Self::with(arm, Arc::new(arm.dataset.component.load(Place { root: data_root })?))
    }

    /// The same for results that are there: where the data set is not, the record of it that a finished cell keeps serves as well.
    ///
    /// # Errors
    /// As [`Self::new`], if no finished cell of this arm with one of these seeds has a record of the data.
    pub fn for_results(
        arm: &'a Arm,
        seeds: &[u64],
        data_root: &Path,
        store: &Store,
    ) -> Result<Self, LabError> {
        Shelf::new(data_root, store).prepare(arm, seeds)
    }

    /// Looks for a record of the data among finished cells.
    fn from_record(arm: &'a Arm, seeds: &[u64], store: &Store, missing: DataError) -> Result<Self, LabError> {
        let mut tried = BTreeSet::new();
        for cell in store.cells()? {
            let Some(record) = cell.data_record()? else { continue };
            if !tried.insert(record.fingerprint.clone()) {
                continue;
            }
            // The record of another data set may not fit this arm; the key of the weights says whether it is the right one.
            let Ok(mut prepared) = Self::with_data(arm, record.data()) else { continue };
            for &seed in seeds {
                let key = prepared.train_key(seed);
                if store.cell(&key).is_done(&key)? {
                    prepared.missing = Some(missing.to_string());
                    return Ok(prepared);
                }
            }
        }
        Err(missing.into())
    }

    /// The same with data that are loaded.
    pub(crate) fn with_data(arm: &'a Arm, data: Data) -> Result<Self, LabError> {
        Self::with(arm, Arc::new(data))
    }

    /// Refuses to train where the images are not here.
    pub(crate) fn require_images(&self) -> Result<(), LabError> {
        match &self.missing {
            None => Ok(()),
            Some(missing) => Err(DataError::Other(missing.clone()).into()),
        }
    }

    fn with(arm: &'a Arm, data: Arc<Data>) -> Result<Self, LabError> {
        for (position, distribution) in arm.evaluate.distributions.iter().enumerate() {
            arm.dataset.component.distribution(distribution, &data).map_err(|error| {
                let key = format!("distributions.{position}");
                arm.blame("evaluate", ConfigError::key(key, error.to_string()))
            })?;
        }
        let split = divide(&data, arm.validation.as_ref());
        let network = Network::describe(arm, &data)?;
        let class_counts = split.train.class_counts(data.classes.len());
        arm.check_objectives(Trainees { experts: network.experts, class_counts: &class_counts })?;
        for phase in &arm.phases {
            PhaseParts::of(phase, &network)?;
        }
        Ok(Self { arm, data, split, network, missing: None })
    }

    /// Image size and class counts of the data.
    pub fn outline(&self) -> Outline {
        Outline { size: self.data.size, class_counts: self.data.train.class_counts(self.data.classes.len()) }
    }

    /// The key of a seed's weights.
    pub fn train_key(&self, seed: u64) -> Key {
        self.arm.train_key(seed, &self.data.fingerprint, &self.network.identity())
    }

    /// The key of an evaluation of these weights.
    pub(crate) fn evaluation_key(&self, train_key: &Key) -> Key {
        self.arm.evaluation_key(train_key, &self.data.distributions)
    }

    /// Training images of each class, `[classes]`, without those that are kept apart.
    pub(crate) fn class_counts(&self) -> Vec<usize> {
        self.split.train.class_counts(self.data.classes.len())
    }

    pub(crate) fn protocol(&self) -> Protocol {
        Protocol {
            images: self.split.train.len(),
            classes: self.data.classes.len(),
            validation: self.split.validation.len(),
            subset: self.data.subset.clone(),
            compact: Form::of(self.network.experts, self.data.test.len(), self.network.classes)
                == Form::Compact,
        }
    }

    pub(crate) fn trained_on(&self) -> BTreeSet<SampleId> {
        self.split.train_positions.iter().map(|&position| (SampleSplit::Train, position)).collect()
    }
}
