//! All metrics of finished cells.

use std::path::Path;

use balpoe_core::experiment::Experiment;

use crate::all_metrics::{Subject, measure, table};
use crate::diversity::DiversitySum;
use crate::error::LabError;
use crate::evaluate::all_metrics;
use crate::figures::Figures;
use crate::prepared::PreparedArm;
use crate::store::Store;
use crate::table::Table;

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
            let key = prepared.train_key(seed);
            let folder = store.cell(&key);
            if !folder.is_done(&key)? {
                continue;
            }
            let test = folder.predictions("test")?;
            let kept = if prepared.split.validation.is_empty() {
                None
            } else {
                Some(folder.predictions("validation")?)
            };
            let (class_counts, trained_on) = (prepared.class_counts(), prepared.trained_on());
            let measured = all_metrics(arm, &class_counts, &figures, &test, kept.as_ref(), &trained_on)?;
            let subject = Subject {
                label: format!("seed {seed}"),
                outcomes: &measured.ensemble,
                logits: measured.logits.as_ref(),
            };
            columns.push(measure(&subject, &test.labels, &figures, bins)?);
            diversity.append(measured.diversity);
        }
        if !columns.is_empty() {
            let name = format!("{}: {}", experiment.name, arm.name);
            tables.push(table(&name, &columns, bins));
            tables.extend(diversity.table(&name));
        }
    }
    Ok(tables)
}
