//! The resolved settings of an arm with their origins, as `balpoe plan` prints them.

use serde_json::Value as Json;

use super::Arm;
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
        let mut sections =
            vec![view.component("dataset", &self.dataset), view.component("sampler", &self.sampler)];
        sections.extend(view.components("augmentation", &self.augmentations.iter().collect::<Vec<_>>()));
        sections.push(view.component("backbone", &self.backbone));
        sections.push(view.component("head", &self.head));
        sections.push(view.component("objective", &self.objective));
        sections.extend(view.components("mixing", &self.mixings.iter().collect::<Vec<_>>()));
        sections.push(view.component("optimizer", &self.optimizer));
        sections.push(view.component("schedule", &self.schedule));
        sections.push(view.settings("train", &serde_json::json!(self.train)));
        if let Some(validation) = &self.validation {
            sections.push(view.settings("validation", &serde_json::json!(validation)));
        }
        sections.extend(
            view.components(
                "calibrator",
                &self.calibrators.iter().map(|c| &c.calibrator).collect::<Vec<_>>(),
            ),
        );
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
        self.section(format!("[{section}]"), self.table.get(section), &built.settings, Some(built.name))
    }

    fn components<T: ?Sized>(&self, section: &str, all: &[&Built<T>]) -> Vec<ResolvedSection> {
        let items: &[Value] = match self.table.get(section).map(|value| &value.data) {
            Some(Data::Array(items)) => items,
            _ => &[],
        };
        let one = |(built, item): (&&Built<T>, &Value)| {
            self.section(format!("[[{section}]]"), Some(item), &built.settings, Some(built.name))
        };
        all.iter().zip(items).map(one).collect()
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
