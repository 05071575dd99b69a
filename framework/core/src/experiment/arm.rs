//! One arm of an experiment: its components and settings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::settings::{Evaluate, Train, Validation};
use super::{FORMAT, Key};
use crate::components::{
    Aggregator, Augmentation, Backbone, Calibrator, Dataset, ExpertHead, Mixing, Objective, Optimizer,
    Sampler, Schedule, Trainees,
};
use crate::config::{self, ConfigError, Data, Entry, Origin, Sources, Table, Value, help_on_key, suggestion};
use crate::digest::sha256_of_positions;
use crate::registry::{self, Built, ComponentKind, Kind};

/// Where a calibrator works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// On each expert, before aggregation.
    Experts,
    /// On the aggregated prediction.
    Ensemble,
}

/// A calibrator of the experiment, with its place in the pipeline.
#[derive(Debug)]
pub struct FittedCalibrator {
    /// Before or after aggregation.
    pub stage: Stage,
    /// The component.
    pub calibrator: Built<dyn Calibrator>,
}

/// A variant of the experiment: everything that a cell needs besides its seed.
#[derive(Debug)]
pub struct Arm {
    /// Its name in tables.
    pub name: String,
    /// Which images.
    pub dataset: Built<dyn Dataset>,
    /// In which order.
    pub sampler: Built<dyn Sampler>,
    /// How single images are changed, in order.
    pub augmentations: Vec<Built<dyn Augmentation>>,
    /// The network.
    pub backbone: Built<dyn Backbone>,
    /// The classifiers.
    pub head: Built<dyn ExpertHead>,
    /// The loss.
    pub objective: Built<dyn Objective>,
    /// How batches are made softer, in order.
    pub mixings: Vec<Built<dyn Mixing>>,
    /// The update.
    pub optimizer: Built<dyn Optimizer>,
    /// The learning rate over time.
    pub schedule: Built<dyn Schedule>,
    /// Calibrators, in order.
    pub calibrators: Vec<FittedCalibrator>,
    /// How experts are combined.
    pub aggregator: Built<dyn Aggregator>,
    /// `[train]`.
    pub train: Train,
    /// `[evaluate]`.
    pub evaluate: Evaluate,
    /// `[validation]`.
    pub validation: Option<Validation>,
    /// The resolved table, for places in messages and for `balpoe plan`.
    pub table: Table,
}

impl Arm {
    /// Builds an arm from its resolved table. `place` is the experiment's file, for what is nowhere in it.
    ///
    /// # Errors
    /// If a section is missing, unknown, or does not fit.
    pub(super) fn build(
        name: String,
        table: Table,
        place: &Origin,
        sources: &Sources,
    ) -> Result<Self, ConfigError> {
        let whole = table.clone();
        let mut sections = Sections { table, place: Some(place), sources };
        let arm = Self {
            name,
            dataset: sections.component()?,
            sampler: sections.component()?,
            augmentations: sections.components()?,
            backbone: sections.component()?,
            head: sections.component()?,
            objective: sections.component()?,
            mixings: sections.components()?,
            optimizer: sections.component()?,
            schedule: sections.component()?,
            calibrators: sections.calibrators()?,
            aggregator: sections.component()?,
            train: sections.settings("train", Train::check)?.ok_or_else(|| sections.missing("train"))?,
            evaluate: sections.settings("evaluate", Evaluate::check)?.unwrap_or_default(),
            validation: sections.settings("validation", Validation::check)?,
            table: whole,
        };
        sections.nothing_left()?;
        let places = arm.places("mixing");
        let pairing: Vec<_> =
            arm.mixings.iter().zip(places).filter(|(mixing, _)| mixing.component.pairs()).collect();
        if let [(first, first_place), (second, second_place), ..] = &pairing[..] {
            let (first, second) = (first.name, second.name);
            let message =
                format!("`{first}` and `{second}` both pair images; an experiment can have one such mixing");
            let error = ConfigError::at(second_place.clone(), message);
            return Err(error.and(first_place.clone(), "the first").help("remove one of them"));
        }
        if arm.validation.is_none() && arm.evaluate.cross_fit.is_none() && !arm.calibrators.is_empty() {
            let message = "a calibrator needs held-out images to be fitted on, and there is no [validation]";
            let help = "for example: [validation] per_class = 5; or, on folds of the test images, [evaluate] cross_fit = 5";
            let error = ConfigError::new(message).help(help);
            return Err(arm.blame("calibrator", error));
        }
        Ok(arm)
    }

    /// Where each table of a list of components stands.
    fn places(&self, section: &str) -> Vec<Origin> {
        match self.table.get(section).map(|value| &value.data) {
            Some(Data::Array(items)) => items.iter().map(|item| item.origin.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Gives an error that a component raised later its place in the experiment's file.
    pub fn blame(&self, section: &str, error: ConfigError) -> ConfigError {
        match self.table.entries.get(section) {
            Some(Entry { value: Value { data: Data::Table(table), origin }, .. }) => {
                error.within(table, origin)
            }
            Some(entry) => error.within(&Table::default(), &entry.value.origin),
            None => error,
        }
    }

    /// Prepares the objective for the backbone's experts and an invented data set of two classes, to find settings that do not
    /// fit each other before the data are there.
    ///
    /// # Errors
    /// If the objective refuses.
    pub fn rehearse(&self) -> Result<(), ConfigError> {
        let trainees = Trainees { experts: self.backbone.component.experts(), class_counts: &[2, 1] };
        self.objective.component.prepare(trainees).map(drop).map_err(|error| self.blame("objective", error))
    }

    /// The key of a cell's weights. `fingerprint` is the data's, `network` the canonical text of the network.
    pub fn train_key(&self, seed: u64, fingerprint: &str, network: &str) -> Key {
        Key::of(&json!({
            "format": FORMAT,
            "data": fingerprint,
            "network": network,
            "seed": seed,
            "dataset": identity(&self.dataset),
            "sampler": identity(&self.sampler),
            "augmentation": identities(&self.augmentations),
            "backbone": identity(&self.backbone),
            "head": identity(&self.head),
            "objective": identity(&self.objective),
            "mixing": identities(&self.mixings),
            "optimizer": identity(&self.optimizer),
            "schedule": identity(&self.schedule),
            "train": settings_identity(&self.train, &json!({
                "batch_size": 128, "batch_norm_group": "all", "lowering": "auto", "winograd": true,
            })),
            "validation": self.validation,
        }))
    }

    /// The key of a cell's evaluation. `listed` are the test distributions that the data set has lists for: another list under the
    /// same name is another evaluation.
    pub fn evaluation_key(&self, train_key: &Key, listed: &BTreeMap<String, Vec<u32>>) -> Key {
        let calibrators: Vec<Json> = self
            .calibrators
            .iter()
            .map(|c| json!({ "on": c.stage, "calibrator": identity(&c.calibrator) }))
            .collect();
        let mut facts = json!({
            "format": FORMAT,
            "train": train_key.as_str(),
            "calibrators": calibrators,
            "aggregator": identity(&self.aggregator),
            "evaluate": settings_identity(&self.evaluate, &json!({ "bins": 15 })),
        });
        let listed: BTreeMap<&str, String> = self
            .evaluate
            .distributions
            .iter()
            .filter_map(|name| Some((name.as_str(), sha256_of_positions(listed.get(name)?))))
            .collect();
        if !listed.is_empty() {
            facts["listed"] = json!(listed);
        }
        Key::of(&facts)
    }
}

fn identity<T: ?Sized>(built: &Built<T>) -> Json {
    json!({ "kind": built.name, "version": built.version, "settings": built.identity })
}

fn identities<T: ?Sized>(all: &[Built<T>]) -> Vec<Json> {
    all.iter().map(identity).collect()
}

/// Settings without those that are at the default that they had when they were added.
fn settings_identity(settings: &impl serde::Serialize, defaults: &Json) -> Json {
    let mut value = json!(settings);
    if let (Some(map), Some(defaults)) = (value.as_object_mut(), defaults.as_object()) {
        map.retain(|name, value| defaults.get(name) != Some(value));
    }
    value
}

/// The keys of an experiment as a whole, which come before the first section of a file.
const PLAIN_KEYS: [&str; 5] = ["name", "extends", "seeds", "on_failure", "baseline"];

/// The sections of an experiment as a whole, which arms share.
const SHARED_SECTIONS: [&str; 2] = ["reference", "arm"];

/// The sections with settings that are no component's.
const SETTINGS: [&str; 3] = ["train", "evaluate", "validation"];

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
    fn take(&mut self, section: &str) -> Option<Entry> {
        self.table.entries.remove(section)
    }

    /// What to say of a section that is not there: perhaps its name is misspelt.
    fn missing(&self, section: &str) -> ConfigError {
        let misspelt = |name: &str| suggestion(name, known_keys()) == Some(section);
        match self.table.entries.iter().find(|(name, _)| misspelt(name)) {
            Some((name, entry)) => ConfigError::at(entry.key.clone(), format!("unknown key `{name}`"))
                .help(format!("did you mean `{section}`?")),
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

    fn components<T: ComponentKind + ?Sized>(&mut self) -> Result<Vec<Built<T>>, ConfigError> {
        let build = |item| registry::build(item, self.sources).map_err(misplaced);
        self.items(T::KIND)?.into_iter().map(build).collect()
    }

    fn items(&mut self, kind: Kind) -> Result<Vec<Value>, ConfigError> {
        let Some(entry) = self.take(kind.name()) else { return Ok(Vec::new()) };
        let form = entry.value.form();
        match entry.value.data {
            Data::Array(items) => Ok(items),
            _ => Err(ConfigError::at(
                entry.value.origin,
                format!("expected an array of {kind}s, found {form}"),
            )
            .help(format!("write [[{kind}]]"))),
        }
    }

    pub(super) fn calibrators(&mut self) -> Result<Vec<FittedCalibrator>, ConfigError> {
        let mut all = Vec::new();
        for mut item in self.items(Kind::Calibrator)? {
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
