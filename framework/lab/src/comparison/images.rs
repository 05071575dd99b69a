//! Differences over test images: of two trained networks, and of retrained networks on other images.

use std::collections::BTreeMap;
use std::path::Path;

use balpoe_core::experiment::Experiment as Plan;
use balpoe_stats::calibration::Outcome;
use balpoe_stats::statistics::{Averaging, Bootstrap, ImageScores, Interval, McNemar, Resampling, holm};

use super::Comparison;
use crate::error::LabError;
use crate::prepared::PreparedArm;
use crate::store::Store;
use crate::summary::{Experiment, percent};
use crate::table::{Cell, Column, Row, Table, Value};

/// Whether an arm's ensemble is right, image by image of the whole test set.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmImages {
    /// Name of the arm.
    pub arm: String,
    /// For each seed, whether each image is predicted right.
    pub right: BTreeMap<u64, Vec<bool>>,
    /// The images' classes.
    pub labels: Vec<u32>,
}

/// Resamples of images. Ends of intervals are good to a fiftieth of their width.
const REPEATS: usize = 2_000;

/// Reads what became of every test image in every finished cell.
///
/// # Errors
/// If data or results cannot be read, or a calibrator or aggregator fails.
pub fn image_outcomes(
    experiment: &Plan,
    data_root: &Path,
    store: &Store,
) -> Result<Vec<ArmImages>, LabError> {
    let mut arms = Vec::new();
    for arm in &experiment.arms {
        let prepared = PreparedArm::for_results(arm, &experiment.seeds, data_root, store)?;
        let mut right = BTreeMap::new();
        for &seed in &experiment.seeds {
            let key = prepared.train_key(seed);
            let folder = store.cell(&key);
            if folder.is_done(&key)? {
                let outcomes = prepared.image_outcomes(&folder, &key)?;
                right.insert(seed, outcomes.rows().iter().map(Outcome::correct).collect());
            }
        }
        arms.push(ArmImages { arm: arm.name.clone(), right, labels: prepared.data.test.labels.clone() });
    }
    Ok(arms)
}

/// One seed of two arms on the same images.
struct SeedRow {
    label: String,
    images: usize,
    mcnemar: McNemar,
    difference: f64,
    interval: Interval,
}

/// Differences of accuracy over images; `None` where no arm shares a seed and its images with the baseline.
pub(super) fn table(experiment: &Experiment, arms: &[ArmImages], comparison: &Comparison) -> Option<Table> {
    let baseline_name = &experiment.baseline()?.name;
    let baseline = arms.iter().find(|arm| arm.arm == *baseline_name)?;
    let columns = vec![
        Column::new("images", 0),
        Column::new("arm", 0).in_group("only right"),
        Column::new("baseline", 0).in_group("only right"),
        Column { unit: Some("%".to_owned()), ..Column::new("difference", 2) },
        Column::new(format!("{} bootstrap interval", percent(comparison.level)), 2),
        Column::new("p", 4),
        Column::new("p (Holm)", 4),
    ];
    let title = format!("{}: accuracy over test images", experiment.name);
    let mut table = Table::new("images", title, "prediction", columns);
    let mut groups = Vec::new();
    let mut p_values = Vec::new();
    for arm in arms.iter().filter(|arm| arm.arm != baseline.arm && arm.labels == baseline.labels) {
        let rows = seed_rows(arm, baseline, comparison);
        p_values.extend(rows.iter().map(|row| row.mcnemar.p));
        groups.push((format!("{} − {}", arm.arm, baseline.arm), rows, hierarchical(arm, baseline)));
    }
    let mut corrected = holm(&p_values).unwrap_or_default().into_iter();
    for (group, rows, together) in groups {
        let images = rows.first().map_or(0, |row| row.images);
        for row in rows {
            let holm = corrected.next().map_or(Value::Missing, Value::PValue);
            let cells = vec![
                Value::Number(row.images as f64).into(),
                Value::Number(row.mcnemar.treatment_only as f64).into(),
                Value::Number(row.mcnemar.baseline_only as f64).into(),
                Value::Number(row.difference).into(),
                Value::Interval(row.interval).into(),
                Value::PValue(row.mcnemar.p).into(),
                holm.into(),
            ];
            table.push(Row { group: Some(group.clone()), ..Row::new(row.label, cells) });
        }
        if let Some(bootstrap) = together {
            let several = || Cell::missing("several networks: see the rows of single seeds");
            let cells = vec![
                Value::Number(images as f64).into(),
                several(),
                several(),
                Value::Number(bootstrap.estimate()).into(),
                Value::Interval(bootstrap.percentile(comparison.level)).into(),
                Value::PValue(bootstrap.sign_p()).into(),
                Cell::missing("not part of the family of single seeds"),
            ];
            table.push(Row { group: Some(group.clone()), ..Row::new("seeds and images", cells) });
        }
    }
    if table.rows().is_empty() {
        return None;
    }
    table.note(
        "Single seeds: McNemar's exact test, and the bootstrap of paired differences over images within classes; they speak about these \
         trained networks on other images.",
    );
    table.note(format!(
        "Seeds and images: the hierarchical bootstrap ({REPEATS} resamples of seeds, then of images within classes) and its two-sided p; \
         it speaks about retrained networks on other images, and is too sure of itself with few seeds."
    ));
    Some(table)
}

fn seed_rows(arm: &ArmImages, baseline: &ArmImages, comparison: &Comparison) -> Vec<SeedRow> {
    let row = |(seed, ours): (&u64, &Vec<bool>)| {
        let theirs = baseline.right.get(seed)?;
        let scores = ImageScores::new(&[differences(ours, theirs)], &arm.labels).ok()?;
        let bootstrap = scores.image_bootstrap(Averaging::Images, Resampling::new(REPEATS, *seed));
        Some(SeedRow {
            label: format!("seed {seed}"),
            images: ours.len(),
            mcnemar: McNemar::new(ours, theirs).ok()?,
            difference: bootstrap.estimate(),
            interval: bootstrap.percentile(comparison.level),
        })
    };
    arm.right.iter().filter_map(row).collect()
}

/// Over the seeds that both have, if there are several.
fn hierarchical(arm: &ArmImages, baseline: &ArmImages) -> Option<Bootstrap> {
    let shared = arm.right.iter().filter_map(|(seed, ours)| Some((ours, baseline.right.get(seed)?)));
    let scores: Vec<Vec<f64>> = shared.map(|(ours, theirs)| differences(ours, theirs)).collect();
    let scores = ImageScores::new(&scores, &arm.labels).ok().filter(|_| scores.len() >= 2)?;
    Some(scores.hierarchical_bootstrap(Averaging::Images, Resampling::new(REPEATS, 0)))
}

/// Differences image by image, in percent points of accuracy.
fn differences(ours: &[bool], theirs: &[bool]) -> Vec<f64> {
    let score = |right: bool| if right { 100.0 } else { 0.0 };
    ours.iter().zip(theirs).map(|(&a, &b)| score(a) - score(b)).collect()
}
