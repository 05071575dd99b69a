//! The predictions of finished cells, as their arms finally make them.

use std::path::Path;

use balpoe_core::experiment::Experiment;

use crate::all_metrics::{Subject, measure, table};
use crate::diversity::DiversitySum;
use crate::error::LabError;
use crate::evaluate::{Combined, combine};
use crate::figures::{Figures, failed, outcomes};
use crate::prepared::PreparedArm;
use crate::store::Store;
use crate::table::Table;

/// Reads what a seed of an arm predicted, and applies calibrators and aggregator; none if the cell is not done.
pub(crate) fn predictions(
    prepared: &PreparedArm<'_>,
    seed: u64,
    store: &Store,
) -> Result<Option<Combined>, LabError> {
    let key = prepared.train_key(seed);
    let folder = store.cell(&key);
    if !folder.is_done(&key)? {
        return Ok(None);
    }
    let test = folder.predictions("test")?;
    let validation =
        if prepared.split.validation.is_empty() { None } else { Some(folder.predictions("validation")?) };
    let class_counts = prepared.split.train.class_counts(prepared.data.classes.len());
    combine(prepared.arm, &class_counts, &test, validation.as_ref(), &prepared.trained_on()).map(Some)
}

/// Every calibration metric of every finished cell on the whole test set, and how its experts differ on average over seeds: two
/// tables an arm, a column a seed.
///
/// # Errors
/// If data or predictions cannot be read, or a calibrator or aggregator fails.
pub fn calibration_tables(
    experiment: &Experiment,
    data_root: &Path,
    store: &Store,
) -> Result<Vec<Table>, LabError> {
    let mut tables = Vec::new();
    for arm in &experiment.arms {
        let prepared = PreparedArm::for_results(arm, &experiment.seeds, data_root, store)?;
        let bins = arm.evaluate.bins;
        let figures = Figures::new(&prepared.data.group_counts, bins)?;
        let mut columns = Vec::new();
        let mut diversity = DiversitySum::default();
        for &seed in &experiment.seeds {
            let Some(combined) = predictions(&prepared, seed, store)? else { continue };
            let labels = &combined.experts.labels;
            let subject = Subject {
                label: format!("seed {seed}"),
                outcomes: &outcomes(&combined.ensemble, labels)?,
                logits: Some(&combined.ensemble),
            };
            columns.push(measure(&subject, labels, &figures, bins)?);
            diversity.add(&combined.experts.experts, labels).map_err(failed)?;
        }
        if !columns.is_empty() {
            let name = format!("{}: {}", experiment.name, arm.name);
            tables.push(table(&name, &columns, bins));
            tables.extend(diversity.table(&name));
        }
    }
    Ok(tables)
}
