//! The resolved settings of an arm with their origins, as `balpoe plan` prints them.

use serde_json::Value as Json;

use super::{Arm, Phase, Recipe};
use crate::config::{Data, Origin, Sources, Table, Value, toml_text};
use crate::registry::Built;

/// One section of the resolved file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedSection {
    /// Its header, such as `[backbone]` or `[[mixing]]`.
    pub header: String,
    /// Its settings.
    pub settings: Vec<ResolvedSetting>,
}

/// One resolved setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedSetting {
    /// The key.
    pub key: String,
    /// The value as TOML.
    pub value: String,
    /// `file:line`, a flag, or `default`.
    pub origin: String,
}

impl Arm {
    /// Every setting of the arm, defaults included, with the place that it came from.
    pub fn resolved(&self, sources: &Sources) -> Vec<ResolvedSection> {
        let view = View { table: &self.table, sources };
        let recipe = |section| view.recipe("", section, &self.recipe);
        let mut sections = vec![view.component("dataset", &self.dataset)];
        sections.extend(["sampler", "augmentation"].into_iter().flat_map(recipe));
        sections.push(view.component("backbone", &self.backbone));
        sections.push(view.component("head", &self.head));
        sections.extend(["objective", "mixing", "optimizer", "schedule"].into_iter().flat_map(recipe));
        sections.push(view.settings("train", &serde_json::json!(self.train)));
        for phase in &self.phases {
            sections.extend(view.phase(phase));
        }
        if let Some(validation) = &self.validation {
            sections.push(view.settings("validation", &serde_json::json!(validation)));
        }
        let calibrators = self.calibrators.iter().map(|entry| &entry.calibrator);
        sections.extend(view.components_in("calibrator", view.table.get("calibrator"), calibrators));
        sections.push(view.component("aggregator", &self.aggregator));
        sections.push(view.settings("evaluate", &serde_json::json!(self.evaluate)));
        sections
    }
}

struct View<'a> {
    table: &'a Table,
    sources: &'a Sources,
}

impl View<'_> {
    fn component<T: ?Sized>(&self, section: &str, built: &Built<T>) -> ResolvedSection {
        self.component_in(section, self.table.get(section), built)
    }

    fn component_in<T: ?Sized>(
        &self,
        name: &str,
        value: Option<&Value>,
        built: &Built<T>,
    ) -> ResolvedSection {
        self.section(format!("[{name}]"), value, &built.settings, Some(built.name))
    }

    /// A section of a recipe; `prefix` stands before its name in headers.
    fn recipe(&self, prefix: &str, section: &str, recipe: &Recipe) -> Vec<ResolvedSection> {
        let name = format!("{prefix}{section}");
        let value = self.table.get(section);
        match section {
            "sampler" => vec![self.component_in(&name, value, &recipe.sampler)],
            "augmentation" => self.components_in(&name, value, recipe.augmentations.iter()),
            "objective" => vec![self.component_in(&name, value, &recipe.objective)],
            "mixing" => self.components_in(&name, value, recipe.mixings.iter()),
            "optimizer" => vec![self.component_in(&name, value, &recipe.optimizer)],
            _ => vec![self.component_in(&name, value, &recipe.schedule)],
        }
    }

    /// A phase: its own keys, and the sections that it sets.
    fn phase(&self, phase: &Phase) -> Vec<ResolvedSection> {
        let mut own = phase.settings();
        if let Some(own) = own.as_object_mut() {
            own.retain(|_, value| {
                value.as_array().is_none_or(|items| !items.is_empty()) && !value.is_object()
            });
        }
        let mut head = self.section("[[phase]]".to_owned(), None, &own, None);
        for setting in &mut head.settings {
            if let Some(value) = phase.own.get(&setting.key) {
                setting.origin = self.place(&value.origin);
            }
        }
        let view = View { table: &phase.table, sources: self.sources };
        let sets = phase.sets.iter().flat_map(|section| view.recipe("phase.set.", section, &phase.recipe));
        std::iter::once(head).chain(sets).collect()
    }

    fn components_in<'b, T: ?Sized + 'b>(
        &self,
        name: &str,
        value: Option<&Value>,
        all: impl Iterator<Item = &'b Built<T>>,
    ) -> Vec<ResolvedSection> {
        let items: &[Value] = match value.map(|value| &value.data) {
            Some(Data::Array(items)) => items,
            _ => &[],
        };
        let one = |(built, item): (&Built<T>, &Value)| {
            self.section(format!("[[{name}]]"), Some(item), &built.settings, Some(built.name))
        };
        all.zip(items).map(one).collect()
    }

    fn settings(&self, section: &str, settings: &Json) -> ResolvedSection {
        self.section(format!("[{section}]"), self.table.get(section), settings, None)
    }

    fn section(
        &self,
        header: String,
        value: Option<&Value>,
        settings: &Json,
        kind: Option<&str>,
    ) -> ResolvedSection {
        let table = match value.map(|value| &value.data) {
            Some(Data::Table(table)) => Some(table),
            _ => None,
        };
        let line = |key: &str, value: String| ResolvedSetting {
            key: key.to_owned(),
            value,
            origin: table.and_then(|t| t.get(key)).map_or("default".to_owned(), |v| self.place(&v.origin)),
        };
        let mut lines: Vec<_> = kind.map(|kind| line("kind", format!("{kind:?}"))).into_iter().collect();
        for (key, value) in settings.as_object().into_iter().flatten() {
            if !value.is_null() {
                lines.push(line(key, toml_text(value)));
            }
        }
        if let Some(on) = table.and_then(|t| t.get("on")) {
            lines.push(line("on", on.to_string()));
        }
        ResolvedSection { header, settings: lines }
    }

    fn place(&self, origin: &Origin) -> String {
        self.sources.describe(origin)
    }
}
