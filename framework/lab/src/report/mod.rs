//! The report: one self-contained page with the tables and plots of an experiment.

mod curves;
mod evidence;
mod figures;
mod page;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use balpoe_core::experiment::Experiment;

use crate::error::LabError;
use crate::files;
use crate::prepared::PreparedArm;
use crate::results::summarise;
use crate::run::ArmOutcome;
use crate::store::Store;
use evidence::Evidence;

/// Writes an experiment's `report.html` and its plots as single SVG files in `plots/`, and gives the path of the page.
///
/// The page needs nothing beside itself: no network, no script, no other file. The same store gives the same bytes.
///
/// # Errors
/// If data, stored predictions or logs cannot be read, or the folder cannot be written.
pub fn write_report(
    experiment: &Experiment,
    outcomes: &[ArmOutcome],
    data_root: &Path,
    store: &Store,
) -> Result<PathBuf, LabError> {
    let results = summarise(experiment, outcomes)?;
    let (mut evidence, mut cells) = (Vec::new(), Vec::new());
    for (arm, outcome) in experiment.arms.iter().zip(outcomes) {
        let prepared = PreparedArm::for_results(arm, &experiment.seeds, data_root, store)?;
        evidence.extend(Evidence::gather(&prepared, outcome, store)?);
        cells.extend(page::cells(&prepared, outcome, store)?);
    }
    let sections = figures::sections(&results.tables(), &evidence);
    let folder = store.experiment(&experiment.name);
    let plots = folder.join("plots");
    files::create_folder(&plots)?;
    for figure in sections.iter().flat_map(|section| &section.figures) {
        files::write_atomically(&plots.join(format!("{}.svg", figure.name)), figure.svg.as_bytes())?;
    }
    let path = folder.join("report.html");
    files::write_atomically(&path, page::page(&experiment.name, &sections, &cells).as_bytes())?;
    Ok(path)
}
