//! What an arm's finished cells have to show, beyond the figures of the tables.

use balpoe_stats::calibration::Outcomes;

use super::curves::Curves;
use crate::error::LabError;
use crate::figures::failed;
use crate::prepared::PreparedArm;
use crate::run::ArmOutcome;
use crate::store::Store;

/// The outcomes of an arm on the whole test set and the course of its training, over all finished seeds.
pub(super) struct Evidence {
    /// Name of the arm.
    pub(super) arm: String,
    /// Finished seeds.
    pub(super) seeds: usize,
    /// Names of the classes.
    pub(super) classes: Vec<String>,
    /// Training images of each class, by which classes are grouped.
    pub(super) counts: Vec<usize>,
    /// The ensemble on every test image, one seed after the other.
    pub(super) outcomes: Outcomes,
    /// Bins of reliability diagrams.
    pub(super) bins: usize,
    /// The course of training.
    pub(super) curves: Curves,
}

impl Evidence {
    /// Reads what the store has of an arm; `None` where no cell is finished.
    pub(super) fn gather(
        prepared: &PreparedArm<'_>,
        outcome: &ArmOutcome,
        store: &Store,
    ) -> Result<Option<Self>, LabError> {
        let data = &prepared.data;
        let mut pooled: Option<Outcomes> = None;
        let mut curves = Curves::default();
        let mut seeds = 0;
        for cell in outcome.cells.iter().filter(|cell| cell.result.is_ok()) {
            let key = prepared.train_key(cell.seed);
            let folder = store.cell(&key);
            let outcomes = prepared.image_outcomes(&folder, &key)?;
            match &mut pooled {
                Some(pooled) => pooled.append(outcomes).map_err(failed)?,
                None => pooled = Some(outcomes),
            }
            curves.add(folder.path())?;
            seeds += 1;
        }
        Ok(pooled.map(|outcomes| Self {
            arm: outcome.name.clone(),
            seeds,
            classes: data.classes.clone(),
            counts: data.group_counts.clone(),
            outcomes,
            bins: prepared.arm.evaluate.bins,
            curves,
        }))
    }
}
