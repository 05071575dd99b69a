//! How weights are trained: the part of an arm that a phase can change.

use std::ops::Range;

use serde_json::{Map, Value as Json, json};

use super::key::identity;
use super::sections::Sections;
use crate::components::{Augmentation, Mixing, Objective, Optimizer, Position, Sampler, Schedule};
use crate::config::{ConfigError, Data, Origin, Table};
use crate::registry::Built;

/// What decides how the weights change from step to step.
#[derive(Debug)]
pub struct Recipe {
    /// In which order images are seen.
    pub sampler: Built<dyn Sampler>,
    /// How single images are changed, in order.
    pub augmentations: Vec<Built<dyn Augmentation>>,
    /// The loss.
    pub objective: Built<dyn Objective>,
    /// How batches are made softer, in order.
    pub mixings: Vec<Built<dyn Mixing>>,
    /// The update.
    pub optimizer: Built<dyn Optimizer>,
    /// The learning rate over time.
    pub schedule: Built<dyn Schedule>,
    /// The epochs that the schedule runs over, from zero: all, unless a phase starts another one.
    pub schedule_epochs: Range<usize>,
}

impl Recipe {
    /// The sections that it is read from.
    pub(super) const SECTIONS: [&str; 6] =
        ["sampler", "augmentation", "objective", "mixing", "optimizer", "schedule"];

    /// Takes its sections; [`Self::schedule_epochs`] is not known yet.
    pub(super) fn take(sections: &mut Sections<'_>) -> Result<Self, ConfigError> {
        let table = sections.table.clone();
        let recipe = Self {
            sampler: sections.component()?,
            augmentations: sections.components()?,
            objective: sections.component()?,
            mixings: sections.components()?,
            optimizer: sections.component()?,
            schedule: sections.component()?,
            schedule_epochs: 0..0,
        };
        let places = places(&table, "mixing");
        let pairing: Vec<_> =
            recipe.mixings.iter().zip(places).filter(|(mixing, _)| mixing.component.pairs()).collect();
        if let [(first, first_place), (second, second_place), ..] = &pairing[..] {
            let (first, second) = (first.name, second.name);
            let message =
                format!("`{first}` and `{second}` both pair images; an experiment can have one such mixing");
            let error = ConfigError::at(second_place.clone(), message);
            return Err(error.and(first_place.clone(), "the first").help("remove one of them"));
        }
        Ok(recipe)
    }

    /// The learning rate at a position of the whole training.
    pub fn learning_rate(&self, position: Position) -> f64 {
        let Range { start, end } = self.schedule_epochs;
        let within =
            Position { epoch: position.epoch.saturating_sub(start), epochs: end - start, ..position };
        self.optimizer.component.learning_rate() * self.schedule.component.factor(within)
    }

    /// What it contributes to a key, by section.
    pub(super) fn identity(&self) -> Map<String, Json> {
        fn all<T: ?Sized>(built: &[Built<T>]) -> Json {
            built.iter().map(identity).collect()
        }
        let sections = [
            identity(&self.sampler),
            all(&self.augmentations),
            identity(&self.objective),
            all(&self.mixings),
            identity(&self.optimizer),
            identity(&self.schedule),
        ];
        Self::SECTIONS.iter().map(|section| (*section).to_owned()).zip(sections).collect()
    }

    /// A section with all settings, as it would be written in an experiment file.
    pub(super) fn written(&self, section: &str) -> Json {
        fn one<T: ?Sized>(built: &Built<T>) -> Json {
            let mut table = built.settings.as_object().cloned().unwrap_or_default();
            table.insert("kind".to_owned(), json!(built.name));
            Json::Object(table)
        }
        match section {
            "sampler" => one(&self.sampler),
            "augmentation" => self.augmentations.iter().map(one).collect(),
            "objective" => one(&self.objective),
            "mixing" => self.mixings.iter().map(one).collect(),
            "optimizer" => one(&self.optimizer),
            _ => one(&self.schedule),
        }
    }
}

/// Where each table of a list of components stands.
fn places(table: &Table, section: &str) -> Vec<Origin> {
    match table.get(section).map(|value| &value.data) {
        Some(Data::Array(items)) => items.iter().map(|item| item.origin.clone()).collect(),
        _ => Vec::new(),
    }
}
