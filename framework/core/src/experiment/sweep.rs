//! `[sweep]`: settings that are tried on validation images, one of which every arm is then run with.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::Arm;
use crate::config::{self, ConfigError, Data, Entry, Origin, Sources, Table, Value, set_path};

/// The settings that an arm chooses from.
#[derive(Debug)]
pub struct Sweep {
    /// The position of the arm in the experiment; it has the settings of the first trial until one is chosen.
    pub arm: usize,
    /// What trials are judged on.
    pub select_on: SelectOn,
    /// The metric that decides, such as `accuracy`.
    pub metric: String,
    /// The seeds that every trial is run with.
    pub seeds: Vec<u64>,
    /// One a setting; the last key of the grid varies fastest.
    pub trials: Vec<Trial>,
    grid: Origin,
    metric_at: Origin,
}

/// One setting of a sweep.
#[derive(Debug)]
pub struct Trial {
    /// Keys with values as TOML.
    pub settings: Vec<(String, String)>,
    /// The arm with these settings.
    pub arm: Arm,
}

/// What trials are judged on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelectOn {
    /// The training images that `[validation]` keeps apart.
    #[default]
    Validation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SweepTable {
    #[serde(default)]
    select_on: SelectOn,
    #[serde(default = "default_metric")]
    metric: String,
    #[serde(default)]
    seeds: Vec<u64>,
    #[serde(rename = "grid")]
    _grid: IgnoredAny,
}

fn default_metric() -> String {
    "accuracy".to_owned()
}

impl Trial {
    /// The settings as `objective.tau = 1.0, mixing.0.alpha = 0.4`.
    pub fn label(&self) -> String {
        let settings: Vec<String> =
            self.settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        settings.join(", ")
    }
}

/// One key of a grid with its candidates.
struct Axis {
    path: String,
    key: Origin,
    values: Vec<Value>,
}

impl Sweep {
    /// Gives an error about the metric its place.
    pub fn blame_metric(&self, message: String, help: String) -> ConfigError {
        ConfigError::at(self.metric_at.clone(), message).help(help)
    }
}

/// Reads the sweep of an arm whose table without it is `base`, and builds its trials. `seed` is the experiment's first,
/// `file` the whole file.
pub(super) fn read(
    entry: Entry,
    (position, name): (usize, &str),
    base: &Table,
    (seed, file): (u64, &Origin),
    sources: &Sources,
) -> Result<Sweep, ConfigError> {
    let place = entry.value.origin.clone();
    let read: SweepTable = config::deserialize(entry.value.clone(), sources)?;
    if !base.entries.contains_key("validation") {
        let message = "a sweep chooses on validation images, and there is no [validation]";
        return Err(ConfigError::at(entry.key, message).help("for example: [validation] per_class = 2"));
    }
    let mut table = entry.value.into_table()?;
    let metric_at = table.get("metric").map_or(&place, |value| &value.origin).clone();
    let mut axes = Vec::new();
    let mut grid = place;
    if let Some(entry) = table.entries.remove("grid") {
        grid = entry.value.origin.clone();
        flatten(entry.value.into_table()?, "", &mut axes)?;
    }
    if axes.is_empty() {
        return Err(ConfigError::at(grid, "expected at least one key to try values of, found none")
            .help("for example: grid = { optimizer.learning_rate = [0.05, 0.1, 0.2] }"));
    }
    for (position, axis) in axes.iter().enumerate() {
        if axes[..position].iter().any(|other| other.path == axis.path) {
            let message = format!("`{}` stands in the grid twice, with and without quotes", axis.path);
            return Err(
                ConfigError::at(axis.key.clone(), message).help("write it in one way, best without quotes")
            );
        }
    }
    let mut trials = Vec::new();
    for number in 0..axes.iter().map(|axis| axis.values.len()).product() {
        let (table, settings) = setting(number, &axes, base)?;
        let mut trial = Trial { settings, arm: Arm::build(name.to_owned(), table, file, sources)? };
        trial.arm.name = format!("{name}, {}", trial.label());
        trials.push(trial);
    }
    let seeds = if read.seeds.is_empty() { vec![seed] } else { read.seeds };
    Ok(Sweep {
        arm: position,
        select_on: read.select_on,
        metric: read.metric,
        seeds,
        trials,
        grid,
        metric_at,
    })
}

/// The leaves of a grid: `optimizer.learning_rate` is a table in a table to TOML, or one key if it is quoted.
fn flatten(table: Table, prefix: &str, axes: &mut Vec<Axis>) -> Result<(), ConfigError> {
    for (name, entry) in table.entries {
        let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        let form = entry.value.form();
        match entry.value.data {
            Data::Table(inner) => flatten(inner, &path, axes)?,
            Data::Array(values) if !values.is_empty() => axes.push(Axis { path, key: entry.key, values }),
            Data::Array(_) => {
                return Err(ConfigError::at(entry.value.origin, format!("`{path}` has no value to try")));
            }
            _ => {
                let message = format!("expected an array of values to try, found {form}");
                return Err(ConfigError::at(entry.value.origin, message)
                    .help("a single value belongs outside of the sweep"));
            }
        }
    }
    Ok(())
}

/// The setting of this number: the table with it, and its keys with their values.
fn setting(
    number: usize,
    axes: &[Axis],
    base: &Table,
) -> Result<(Table, Vec<(String, String)>), ConfigError> {
    let mut table = base.clone();
    let mut settings = Vec::new();
    let mut rest = number;
    for axis in axes.iter().rev() {
        let value = &axis.values[rest % axis.values.len()];
        rest /= axis.values.len();
        settings.push((axis.path.clone(), value.to_string()));
        set_path(&mut table, &axis.path, value.clone(), &axis.key)?;
    }
    settings.reverse();
    Ok((table, settings))
}

/// Refuses arms that may choose from different numbers of settings: the one that tries more wins more often.
pub(super) fn equal_budgets(sweeps: &[Sweep], arms: &[Arm]) -> Result<(), ConfigError> {
    let runs = |sweep: &Sweep| (sweep.trials.len(), sweep.seeds.len());
    let tries = |sweep: &Sweep| {
        let seeds = if sweep.seeds.len() == 1 { "seed" } else { "seeds" };
        let (settings, n) = (sweep.trials.len(), sweep.seeds.len());
        format!("arm \"{}\" tries {settings} settings with {n} {seeds}", arms[sweep.arm].name)
    };
    let Some((first, rest)) = sweeps.split_first() else { return Ok(()) };
    let Some(other) = rest.iter().find(|sweep| runs(sweep) != runs(first)) else { return Ok(()) };
    Err(ConfigError::at(other.grid.clone(), format!("{}, {}", tries(first), tries(other)))
        .help("give every arm the same tuning budget; an arm's own grid is set = { sweep.grid = … }"))
}
