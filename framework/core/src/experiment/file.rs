//! Reads an experiment file into arms and seeds.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::sweep::{self, Sweep};
use crate::config::{
    self, ConfigError, Data, Entry, Origin, Override, Sources, Table, Value, set_path, suggestion,
};

/// What happens to the other cells when one fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// They run; the failure is told at the end.
    #[default]
    Continue,
    /// They do not.
    Stop,
}

/// Published results that are shown beside ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The file, such as `configs/reference/….toml`.
    pub file: PathBuf,
    /// Which of its rows.
    pub row: String,
    /// The arm that is meant to reproduce it; without one the row is only shown.
    pub arm: Option<String>,
    /// Where the experiment names the file.
    pub file_place: Origin,
    /// Where it names the row.
    pub row_place: Origin,
}

/// A resolved experiment.
#[derive(Debug)]
pub struct Experiment {
    /// Its name.
    pub name: String,
    /// The seeds that every arm is run with.
    pub seeds: Vec<u64>,
    /// The variants, in the order of the file.
    pub arms: Vec<Arm>,
    /// For arms that choose their settings, what they choose from.
    pub sweeps: Vec<Sweep>,
    /// The arm that the others are compared with; the first if none is named.
    pub baseline: String,
    /// What happens when a cell fails.
    pub on_failure: OnFailure,
    /// Published results beside ours.
    pub references: Vec<Reference>,
}

/// What an experiment uses where its files say nothing.
const DEFAULTS: &str = "\
sampler = { kind = \"instance-balanced\" }
aggregator = { kind = \"mean-logits\" }
";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferenceTable {
    file: config::FilePath,
    row: String,
    #[serde(default)]
    arm: Option<String>,
}

impl Experiment {
    /// Reads a file, what it extends, and the overrides.
    ///
    /// # Errors
    /// If anything in them does not fit, with its place in `sources`.
    pub fn read(path: &Path, overrides: &[Override], sources: &mut Sources) -> Result<Self, ConfigError> {
        let mut table = defaults(sources)?;
        let file = config::load(path, sources)?;
        let place = file.origin.clone();
        table.merge(file.into_table()?);
        config::apply(&mut table, overrides, sources)?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Self::resolve(table, &place, stem, sources)
    }

    /// Reads an experiment that stands in the program itself and extends nothing.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(
        name: &str,
        text: &str,
        overrides: &[Override],
        sources: &mut Sources,
    ) -> Result<Self, ConfigError> {
        let mut table = defaults(sources)?;
        let id = sources.add(name, text, ".");
        table.merge(Table::parse(text, id)?);
        config::apply(&mut table, overrides, sources)?;
        let place = Origin { source: id, span: 0..text.len() };
        Self::resolve(table, &place, name.to_owned(), sources)
    }

    /// Every arm, and every arm of a trial.
    pub fn all_arms(&self) -> impl Iterator<Item = &Arm> {
        let trials = self.sweeps.iter().flat_map(|sweep| &sweep.trials);
        self.arms.iter().chain(trials.map(|trial| &trial.arm))
    }

    /// `place` is the whole file, for what is nowhere in it.
    fn resolve(
        mut table: Table,
        place: &Origin,
        stem: String,
        sources: &Sources,
    ) -> Result<Self, ConfigError> {
        let name = table.entries.remove("name").map(|entry| name_of("an experiment", entry.value, sources));
        let name = name.transpose()?.unwrap_or(stem);
        let seeds = seeds(&mut table, sources)?;
        let on_failure = field(&mut table, "on_failure", sources)?.unwrap_or_default();
        let wanted = table.entries.remove("baseline");
        let references = table.entries.remove("reference");
        let variants = table.entries.remove("arm");

        let (mut arms, mut sweeps): (Vec<Arm>, Vec<Sweep>) = (Vec::new(), Vec::new());
        let mut places: Vec<Option<Origin>> = Vec::new();
        for (name_place, arm_name, mut resolved) in named(variants, &name, table, sources)? {
            if let Some(first) = arms.iter().position(|arm| arm.name == arm_name)
                && let (Some(second), Some(first)) = (&name_place, &places[first])
            {
                return Err(ConfigError::at(second.clone(), format!("two arms are called \"{arm_name}\""))
                    .and(first.clone(), "the first")
                    .help("give one of them another name"));
            }
            places.push(name_place);
            let Some(entry) = resolved.entries.remove("sweep") else {
                arms.push(Arm::build(arm_name, resolved, place, sources)?);
                continue;
            };
            let sweep = sweep::read(entry, (arms.len(), &arm_name), &resolved, (seeds[0], place), sources)?;
            let first = sweep.trials[0].arm.table.clone();
            arms.push(Arm::build(arm_name, first, place, sources)?);
            sweeps.push(sweep);
        }
        sweep::equal_budgets(&sweeps, &arms)?;
        let baseline = match wanted {
            None => arms.first().map(|arm| arm.name.clone()).unwrap_or_default(),
            Some(entry) => name_of_arm(entry.value, &arms, sources)?,
        };
        let references = match references {
            None => Vec::new(),
            Some(entry) => published(entry.value, &arms, sources)?,
        };
        Ok(Self { name, seeds, arms, sweeps, baseline, on_failure, references })
    }
}

/// The arms with their resolved tables and places, or the whole file as the only one.
fn named(
    variants: Option<Entry>,
    name: &str,
    table: Table,
    sources: &Sources,
) -> Result<Vec<(Option<Origin>, String, Table)>, ConfigError> {
    let whole = |table| Ok(vec![(None, name.to_owned(), table)]);
    let Some(entry) = variants else { return whole(table) };
    let form = entry.value.form();
    let Data::Array(items) = entry.value.data else {
        let message = format!("expected an array of arms, found {form}");
        return Err(ConfigError::at(entry.value.origin, message).help("write [[arm]]"));
    };
    // `arm = []` drops inherited arms.
    if items.is_empty() {
        return whole(table);
    }
    let resolve = |item: Value| {
        variant(item, &table, sources).map(|(name, place, resolved)| (Some(place), name, resolved))
    };
    items.into_iter().map(resolve).collect()
}

/// A value that names an arm.
fn name_of_arm(value: Value, arms: &[Arm], sources: &Sources) -> Result<String, ConfigError> {
    let origin = value.origin.clone();
    let name: String = config::deserialize(value, sources)?;
    if arms.iter().any(|arm| arm.name == name) {
        return Ok(name);
    }
    let names: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
    let near = suggestion(&name, names.iter().copied()).map(|near| format!("did you mean \"{near}\"? "));
    Err(ConfigError::at(origin, format!("no arm is called \"{name}\"")).help(format!(
        "{}arms: {}",
        near.unwrap_or_default(),
        names.join(", ")
    )))
}

/// A name that folders and tables can bear.
fn name_of(whose: &str, value: Value, sources: &Sources) -> Result<String, ConfigError> {
    let origin = value.origin.clone();
    let name: String = config::deserialize(value, sources)?;
    if name.chars().any(char::is_alphanumeric) && !name.contains(char::is_control) {
        return Ok(name);
    }
    Err(ConfigError::at(origin, format!("{whose} needs a name with a letter or a digit, found {name:?}")))
}

/// The published rows, which are inherited with the arms that they name.
fn published(value: Value, arms: &[Arm], sources: &Sources) -> Result<Vec<Reference>, ConfigError> {
    let form = value.form();
    let Data::Array(items) = value.data else {
        let message = format!("expected an array of references, found {form}");
        return Err(ConfigError::at(value.origin, message).help("write [[reference]]"));
    };
    let mut references = Vec::new();
    for item in items {
        let place = |key: &str| match &item.data {
            Data::Table(table) => table.get(key).map_or(&item.origin, |value| &value.origin).clone(),
            _ => item.origin.clone(),
        };
        let (file_place, row_place) = (place("file"), place("row"));
        let named = match &item.data {
            Data::Table(table) => table.get("arm").cloned(),
            _ => None,
        };
        let ReferenceTable { file, row, arm } = config::deserialize(item, sources)?;
        if let Some(value) = named {
            name_of_arm(value, arms, sources).map_err(|error| {
                let help = error.help.clone().unwrap_or_default();
                error.help(format!(
                    "{help}; an experiment that extends another one can drop its rows: reference = []"
                ))
            })?;
        }
        let file = file.as_path().to_path_buf();
        references.push(Reference { file, row, arm, file_place, row_place });
    }
    Ok(references)
}

fn defaults(sources: &mut Sources) -> Result<Table, ConfigError> {
    let id = sources.add("the defaults", DEFAULTS, ".");
    Table::parse(DEFAULTS, id)
}

fn field<T: serde::de::DeserializeOwned>(
    table: &mut Table,
    key: &str,
    sources: &Sources,
) -> Result<Option<T>, ConfigError> {
    table.entries.remove(key).map(|entry| config::deserialize(entry.value, sources)).transpose()
}

fn seeds(table: &mut Table, sources: &Sources) -> Result<Vec<u64>, ConfigError> {
    let Some(entry) = table.entries.remove("seeds") else { return Ok(vec![1]) };
    let origin = entry.value.origin.clone();
    let places: Vec<Origin> = match &entry.value.data {
        Data::Array(items) => items.iter().map(|item| item.origin.clone()).collect(),
        _ => Vec::new(),
    };
    let seeds: Vec<u64> = config::deserialize(entry.value, sources)?;
    if seeds.is_empty() {
        return Err(ConfigError::at(origin, "expected at least one seed, found none"));
    }
    for (second, seed) in seeds.iter().enumerate() {
        if let Some(first) = seeds[..second].iter().position(|earlier| earlier == seed) {
            let message = format!("expected every seed once, found {seed} twice");
            return Err(ConfigError::at(places[second].clone(), message)
                .and(places[first].clone(), "the first")
                .help("remove one of them"));
        }
    }
    Ok(seeds)
}

/// An arm's name, its place, and the base table with the arm's `set` applied.
fn variant(item: Value, base: &Table, sources: &Sources) -> Result<(String, Origin, Table), ConfigError> {
    let origin = item.origin.clone();
    let mut arm = item.into_table()?;
    let (named, set) = (arm.entries.remove("name"), arm.entries.remove("set"));
    if let Some((key, entry)) = arm.entries.into_iter().next() {
        let help = match suggestion(&key, ["name", "set"]) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("an arm has `name`, and `set` for what differs: set = {{ \"{key}\" = … }}"),
        };
        return Err(ConfigError::at(entry.key, format!("unknown key `{key}`")).help(help));
    }
    let (name, place) = match named {
        Some(entry) => {
            let place = entry.value.origin.clone();
            (name_of("an arm", entry.value, sources)?, place)
        }
        None => return Err(ConfigError::at(origin, "this arm has no `name`")),
    };
    let mut resolved = base.clone();
    if let Some(set) = set {
        for (path, entry) in set.value.into_table()?.entries {
            set_path(&mut resolved, &path, entry.value, &entry.key)?;
        }
    }
    Ok((name, place, resolved))
}
