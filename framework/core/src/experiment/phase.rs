//! `[[phase]]`: from an epoch on, something is trained otherwise.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value as Json, json};

use super::recipe::Recipe;
use super::sections::{Sections, blame};
use crate::config::{self, ConfigError, Entry, Origin, Sources, Table, Value, set_path, suggestion};

/// A part of training with a recipe of its own, up to the next phase or the end.
#[derive(Debug)]
pub struct Phase {
    /// Epochs that are done when it begins.
    pub after: usize,
    /// What is not trained in it: `backbone`, `head`, or beginnings of parameters' names such as `layer1`.
    pub freeze: Vec<String>,
    /// What starts from fresh initial values when it begins, named likewise.
    pub reinitialise: Vec<String>,
    /// How it is trained.
    pub recipe: Recipe,
    /// The sections that it sets.
    pub(super) sets: Vec<&'static str>,
    /// The resolved table of the arm in this phase.
    pub(super) table: Table,
    /// The phase as it stands in the file.
    pub(super) own: Table,
    place: Origin,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhaseTable {
    after: usize,
    freeze: Option<Vec<String>>,
    #[serde(default)]
    reinitialise: Vec<String>,
    #[serde(default, rename = "set")]
    _set: Option<IgnoredAny>,
}

impl Phase {
    /// Gives an error of one of its components its place.
    pub fn blame(&self, section: &str, error: ConfigError) -> ConfigError {
        blame(&self.table, section, error)
    }

    /// Gives an error about `freeze` or `reinitialise` its place.
    pub fn blame_own(&self, error: ConfigError) -> ConfigError {
        error.within(&self.own, &self.place)
    }

    /// What it does, such as `freezes backbone; re-initialises head; sets sampler`.
    pub fn summary(&self) -> String {
        let sets: Vec<String> = self.sets.iter().map(|&section| self.named(section)).collect();
        let parts = [
            ("freezes", self.freeze.join(", ")),
            ("re-initialises", self.reinitialise.join(", ")),
            ("sets", sets.join(", ")),
        ];
        let said: Vec<String> = parts
            .into_iter()
            .filter(|(_, what)| !what.is_empty())
            .map(|(verb, what)| format!("{verb} {what}"))
            .collect();
        if said.is_empty() { "trains everything again".to_owned() } else { said.join("; ") }
    }

    /// A section with the name of its component, where there is one.
    fn named(&self, section: &str) -> String {
        match self.recipe.written(section).get("kind").and_then(Json::as_str) {
            Some(kind) => format!("{section} {kind}"),
            None => section.to_owned(),
        }
    }

    /// All of it with every setting, as it would be written in an experiment file.
    pub fn settings(&self) -> Json {
        let set: Map<String, Json> =
            self.sets.iter().map(|&section| (section.to_owned(), self.recipe.written(section))).collect();
        json!({ "after": self.after, "freeze": self.freeze, "reinitialise": self.reinitialise, "set": set })
    }

    /// What it contributes to a key.
    pub(super) fn identity(&self) -> Json {
        json!({
            "after": self.after,
            "freeze": self.freeze,
            "reinitialise": self.reinitialise,
            "schedule_from": self.recipe.schedule_epochs.start,
            "recipe": self.recipe.identity(),
        })
    }
}

/// Reads the phases of an arm whose resolved table is `base`, and tells its first recipe how long its schedule runs.
pub(super) fn read(
    items: Vec<Value>,
    base: &Table,
    first: &mut Recipe,
    epochs: usize,
    sources: &Sources,
) -> Result<Vec<Phase>, ConfigError> {
    let mut phases: Vec<Phase> = Vec::new();
    for item in items {
        let before = Before::new(base, first, phases.last());
        let phase = one(item, &before, epochs, sources)?;
        phases.push(phase);
    }
    let mut end = epochs;
    for phase in phases.iter_mut().rev() {
        let run = &mut phase.recipe.schedule_epochs;
        run.end = end;
        if phase.sets.contains(&"schedule") {
            end = run.start;
        }
    }
    first.schedule_epochs = 0..end;
    Ok(phases)
}

/// What is in force when a phase begins.
struct Before<'a> {
    after: Option<usize>,
    freeze: &'a [String],
    recipe: &'a Recipe,
    table: &'a Table,
}

impl<'a> Before<'a> {
    fn new(base: &'a Table, first: &'a Recipe, last: Option<&'a Phase>) -> Self {
        match last {
            None => Self { after: None, freeze: &[], recipe: first, table: base },
            Some(phase) => Self {
                after: Some(phase.after),
                freeze: &phase.freeze,
                recipe: &phase.recipe,
                table: &phase.table,
            },
        }
    }
}

fn one(item: Value, before: &Before<'_>, epochs: usize, sources: &Sources) -> Result<Phase, ConfigError> {
    let place = item.origin.clone();
    let read: PhaseTable = config::deserialize(item.clone(), sources)?;
    let mut own = item.into_table()?;
    let set = own.entries.remove("set");
    let wrong =
        |message: String, help: &str| ConfigError::key("after", message).help(help).within(&own, &place);
    if before.after.is_some_and(|earlier| read.after <= earlier) {
        let earlier = before.after.unwrap_or_default();
        let message =
            format!("this phase begins after {} epochs, the one before it after {earlier}", read.after);
        return Err(wrong(message, "list phases in the order in which they begin"));
    }
    if read.after >= epochs {
        let message =
            format!("this phase begins after {} epochs, and training ends after {epochs}", read.after);
        return Err(wrong(message, "train.epochs counts the epochs of all phases"));
    }
    let mut table = before.table.clone();
    let sets = apply(set, &mut table)?;
    let sections = Table {
        entries: table
            .entries
            .iter()
            .filter(|(name, _)| Recipe::SECTIONS.contains(&name.as_str()))
            .map(clone)
            .collect(),
    };
    let mut recipe = Recipe::take(&mut Sections { table: sections, place: None, sources })?;
    let restarts = sets.contains(&"schedule");
    recipe.schedule_epochs.start = if restarts { read.after } else { before.recipe.schedule_epochs.start };
    let freeze = read.freeze.unwrap_or_else(|| before.freeze.to_vec());
    let same = freeze == before.freeze && read.reinitialise.is_empty() && !restarts;
    if same && recipe.identity() == before.recipe.identity() {
        return Err(ConfigError::at(place, "this phase changes nothing")
            .help("give it `freeze`, `reinitialise` or `set`, or leave it out; an arm drops all phases by set = { phase = [] }"));
    }
    Ok(Phase { after: read.after, freeze, reinitialise: read.reinitialise, recipe, sets, table, own, place })
}

fn clone((name, entry): (&String, &Entry)) -> (String, Entry) {
    (name.clone(), entry.clone())
}

/// Applies a phase's `set`, and gives the sections that it touches.
fn apply(set: Option<Entry>, table: &mut Table) -> Result<Vec<&'static str>, ConfigError> {
    let mut sets = Vec::new();
    let Some(set) = set else { return Ok(sets) };
    for (path, entry) in set.value.into_table()?.entries {
        let named = path.split('.').next().unwrap_or_default().trim();
        let Some(section) = Recipe::SECTIONS.into_iter().find(|section| *section == named) else {
            let help = match suggestion(named, Recipe::SECTIONS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it can change {}", Recipe::SECTIONS.join(", ")),
            };
            return Err(ConfigError::at(entry.key, format!("a phase cannot change `{named}`")).help(help));
        };
        set_path(table, &path, entry.value, &entry.key)?;
        if !sets.contains(&section) {
            sets.push(section);
        }
    }
    Ok(sets)
}
