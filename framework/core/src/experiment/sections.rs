//! Takes an experiment's table apart, section by section.

use super::calibrator::{FittedCalibrator, Stage};
use crate::config::{self, ConfigError, Data, Entry, Origin, Sources, Table, Value, help_on_key, suggestion};
use crate::registry::{self, Built, ComponentKind, Kind};

/// The keys of an experiment as a whole, which come before the first section of a file.
const PLAIN_KEYS: [&str; 5] = ["name", "extends", "seeds", "on_failure", "baseline"];

/// The sections of an experiment as a whole, which arms share.
const SHARED_SECTIONS: [&str; 2] = ["reference", "arm"];

/// The sections with settings that are no component's.
const SETTINGS: [&str; 5] = ["train", "evaluate", "validation", "phase", "sweep"];

/// The keys of an experiment.
pub(super) fn known_keys() -> impl Iterator<Item = &'static str> {
    Kind::ALL.into_iter().map(Kind::name).chain(SETTINGS).chain(SHARED_SECTIONS).chain(PLAIN_KEYS)
}

/// What to do about a key that a section does not know, but the experiment does: it slipped into the section above it.
fn misplaced(error: ConfigError) -> ConfigError {
    let Some(key) = error.unknown_key().filter(|key| known_keys().any(|known| known == *key)) else {
        return error;
    };
    let help = if PLAIN_KEYS.contains(&key) {
        format!("`{key}` is not part of a section: move it above the first one")
    } else {
        format!("`{key}` is not part of another section: it has its own")
    };
    error.help(help)
}

/// Takes sections out of a table, one after the other.
pub(super) struct Sections<'s> {
    pub(super) table: Table,
    /// The experiment's file, for what is nowhere in it.
    pub(super) place: Option<&'s Origin>,
    pub(super) sources: &'s Sources,
}

impl Sections<'_> {
    pub(super) fn take(&mut self, section: &str) -> Option<Entry> {
        self.table.entries.remove(section)
    }

    /// What to say of a section that is not there: perhaps its name is misspelt.
    pub(super) fn missing(&self, section: &str) -> ConfigError {
        // Any misspelt name comes first: another section may be missing only because this one is read later.
        let misspelt = |name: &str| {
            let known = known_keys().any(|known| known == name);
            if known { None } else { suggestion(name, known_keys()) }
        };
        let mut names = self.table.entries.iter();
        match names.find_map(|(name, entry)| Some((name, entry, misspelt(name)?))) {
            Some((name, entry, meant)) => ConfigError::at(entry.key.clone(), format!("unknown key `{name}`"))
                .help(format!("did you mean `{meant}`?")),
            None => {
                let mut error = ConfigError::new(format!("the experiment has no [{section}]"));
                error.origin = self.place.cloned();
                error.help("add it, or extend a file that has it")
            }
        }
    }

    pub(super) fn component<T: ComponentKind + ?Sized>(&mut self) -> Result<Built<T>, ConfigError> {
        let entry = self.take(T::KIND.name()).ok_or_else(|| self.missing(T::KIND.name()))?;
        registry::build(entry.value, self.sources).map_err(misplaced)
    }

    pub(super) fn components<T: ComponentKind + ?Sized>(&mut self) -> Result<Vec<Built<T>>, ConfigError> {
        let build = |item| registry::build(item, self.sources).map_err(misplaced);
        self.items(T::KIND.name())?.into_iter().map(build).collect()
    }

    /// The tables of `[[section]]`; none if it is left out.
    pub(super) fn items(&mut self, section: &str) -> Result<Vec<Value>, ConfigError> {
        let Some(entry) = self.take(section) else { return Ok(Vec::new()) };
        let form = entry.value.form();
        match entry.value.data {
            Data::Array(items) => Ok(items),
            _ => Err(ConfigError::at(
                entry.value.origin,
                format!("expected an array of {section}s, found {form}"),
            )
            .help(format!("write [[{section}]]"))),
        }
    }

    pub(super) fn calibrators(&mut self) -> Result<Vec<FittedCalibrator>, ConfigError> {
        let mut all = Vec::new();
        for mut item in self.items(Kind::Calibrator.name())? {
            let stage = match &mut item.data {
                Data::Table(table) => table.entries.remove("on"),
                _ => None,
            };
            let stage = match stage {
                Some(entry) => config::deserialize(entry.value, self.sources)?,
                None => Stage::Ensemble,
            };
            let name = match &item.data {
                Data::Table(table) => table.text("kind").map(str::to_owned),
                _ => None,
            };
            let calibrator = registry::build(item, self.sources).map_err(|error| {
                let error = misplaced(error);
                let described = name.and_then(|name| registry::find(Kind::Calibrator, &name));
                let (Some(key), Some(described)) = (error.unknown_key(), described) else { return error };
                let parameters = described.parameters();
                let known = parameters.iter().map(|parameter| parameter.name.as_str()).chain(["on"]);
                let help = help_on_key(key, known);
                error.help(help)
            })?;
            all.push(FittedCalibrator { stage, calibrator });
        }
        Ok(all)
    }

    pub(super) fn settings<T: serde::de::DeserializeOwned>(
        &mut self,
        section: &str,
        check: fn(&T) -> Result<(), ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(entry) = self.take(section) else { return Ok(None) };
        let (origin, value) = (entry.value.origin.clone(), entry.value.clone());
        let settings: T = config::deserialize(entry.value, self.sources).map_err(misplaced)?;
        let table = value.into_table()?;
        check(&settings).map_err(|error| error.within(&table, &origin))?;
        Ok(Some(settings))
    }

    pub(super) fn nothing_left(self) -> Result<(), ConfigError> {
        let Some((name, entry)) = self.table.entries.into_iter().next() else { return Ok(()) };
        if name == "extends" {
            return Err(ConfigError::at(entry.key, "`extends` can only stand in a file"));
        }
        if known_keys().any(|known| known == name) {
            return Err(ConfigError::at(entry.key, format!("`{name}` is the same for all arms"))
                .help("an arm can change components and the settings of training and evaluation"));
        }
        let help = help_on_key(&name, known_keys());
        Err(ConfigError::at(entry.key, format!("unknown key `{name}`")).help(help))
    }
}

/// Gives an error its place in a section of a table.
pub(super) fn blame(table: &Table, section: &str, error: ConfigError) -> ConfigError {
    match table.entries.get(section) {
        Some(Entry { value: Value { data: Data::Table(table), origin }, .. }) => error.within(table, origin),
        Some(entry) => error.within(&Table::default(), &entry.value.origin),
        None => error,
    }
}
