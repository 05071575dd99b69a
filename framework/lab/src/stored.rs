//! An experiment as the store remembers it: settings from manifests, without the file that they came from.

use std::collections::BTreeMap;

use balpoe_core::config::{ConfigError, Override, Sources};
use balpoe_core::experiment::{Experiment, OnFailure};

use crate::error::LabError;
use crate::run::ArmOutcome;
use crate::settings_text::experiment_text;
use crate::store::{CellFolder, CellManifest, Store};

/// Finished cells, and the experiment that their settings describe with some of them changed.
#[derive(Debug)]
pub struct StoredExperiment {
    /// What the settings describe.
    pub experiment: Experiment,
    /// Names of arms with their finished seeds.
    finished: Vec<(String, u64)>,
}

/// Reads the settings of finished cells; `runs` are names of experiments, or beginnings of the names of cell folders.
/// Overrides may change what is done with finished predictions: calibrators, aggregator, `[evaluate]`.
///
/// # Errors
/// If no cell has such a name, a manifest is damaged, or an override does not fit.
pub fn stored_experiment(
    store: &Store,
    runs: &[String],
    overrides: &[Override],
    sources: &mut Sources,
) -> Result<StoredExperiment, LabError> {
    let manifests = finished_manifests(store)?;
    let mut arms: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
    for run in runs {
        let chosen: Vec<&CellManifest> =
            manifests.iter().filter(|m| m.experiment == *run || names_cell(run, m)).collect();
        if chosen.is_empty() {
            let mut known: Vec<&str> = manifests.iter().map(|m| m.experiment.as_str()).collect();
            known.dedup();
            let message = format!(
                "no finished cell in `{}` is called `{run}` or belongs to an experiment of that name",
                store.root().display()
            );
            let help = if known.is_empty() {
                "the store has no finished cell; --out names its folder".to_owned()
            } else {
                format!("experiments: {}", known.join(", "))
            };
            return Err(ConfigError::new(message).help(help).into());
        }
        for manifest in chosen {
            let text = experiment_text(manifest)?;
            let seeds = arms.entry((manifest.arm.clone(), text)).or_default();
            if !seeds.contains(&manifest.seed) {
                seeds.push(manifest.seed);
            }
        }
    }
    let mut whole = Experiment {
        name: runs.join(", "),
        seeds: Vec::new(),
        arms: Vec::new(),
        sweeps: Vec::new(),
        baseline: String::new(),
        on_failure: OnFailure::Continue,
        references: Vec::new(),
    };
    let mut finished = Vec::new();
    for ((name, text), seeds) in arms {
        let one = Experiment::parse("settings of the manifest", &text, overrides, sources)?;
        let Some(mut arm) = one.arms.into_iter().next() else { continue };
        // The same name with other settings, such as after a change of the file.
        let others = whole.arms.iter().filter(|other| {
            other.name == name || other.name.strip_prefix(&name).is_some_and(|rest| rest.starts_with(" #"))
        });
        arm.name = match others.count() {
            0 => name,
            n => format!("{name} #{}", n + 1),
        };
        finished.extend(seeds.iter().map(|&seed| (arm.name.clone(), seed)));
        whole.seeds.extend(seeds);
        whole.arms.push(arm);
    }
    whole.seeds.sort_unstable();
    whole.seeds.dedup();
    whole.baseline = whole.arms.first().map(|arm| arm.name.clone()).unwrap_or_default();
    Ok(StoredExperiment { experiment: whole, finished })
}

/// The folder of the one finished cell whose key begins so; folders before it do not matter.
///
/// # Errors
/// If there is none, or more than one.
pub fn stored_cell(store: &Store, run: &str) -> Result<CellFolder, LabError> {
    let manifests = finished_manifests(store)?;
    let chosen: Vec<&CellManifest> = manifests.iter().filter(|m| names_cell(run, m)).collect();
    let place = store.root().display();
    match chosen[..] {
        [one] => Ok(store.folder(&one.train_key)),
        [] => Err(ConfigError::new(format!("no finished cell in `{place}` is called `{run}`"))
            .help("name a cell by at least six digits of its key, as `balpoe plan` and `balpoe table` show it; --out names the store")
            .into()),
        _ => {
            let keys: Vec<&str> = chosen.iter().map(|m| &m.train_key[..12]).collect();
            Err(ConfigError::new(format!("`{run}` may be any of {}", keys.join(", "))).into())
        }
    }
}

impl StoredExperiment {
    /// Drops the seeds that an arm never had, and refuses finished cells that these settings do not lead to.
    ///
    /// # Errors
    /// If an override changed what decides weights, or the data or a component are no longer what they were.
    pub fn only_finished(&self, outcomes: Vec<ArmOutcome>) -> Result<Vec<ArmOutcome>, LabError> {
        let mut kept = outcomes;
        for arm in &mut kept {
            arm.cells.retain(|cell| {
                self.finished.iter().any(|(name, seed)| (name, *seed) == (&arm.name, cell.seed))
            });
            if let Some(cell) = arm.cells.iter().find(|cell| matches!(cell.result, Err(LabError::NotRun))) {
                let message = format!(
                    "arm {} with seed {} was trained with other settings than these, with other data, or by other versions of components",
                    arm.name, cell.seed
                );
                let help = "change only calibrators, aggregator and [evaluate]; anything else needs `balpoe experiment`";
                return Err(ConfigError::new(message).help(help).into());
            }
        }
        Ok(kept)
    }
}

/// The manifests of all finished cells, by experiment, arm and seed.
fn finished_manifests(store: &Store) -> Result<Vec<CellManifest>, LabError> {
    let mut manifests = Vec::new();
    for cell in store.cells()? {
        manifests.extend(cell.manifest()?.filter(|manifest| manifest.finished.is_some()));
    }
    manifests.sort_by(|a, b| (&a.experiment, &a.arm, a.seed).cmp(&(&b.experiment, &b.arm, b.seed)));
    Ok(manifests)
}

/// Whether a run is the beginning of the cell's key, perhaps with folders before it.
pub(crate) fn names_cell(run: &str, manifest: &CellManifest) -> bool {
    let name = run.trim_end_matches('/').rsplit('/').next().unwrap_or(run);
    name.len() >= 6 && manifest.train_key.starts_with(name)
}
