//! The settings that a manifest keeps, as the experiment file that they would be.

use balpoe_core::config::ConfigError;
use serde_json::{Map, Value as Json};

use crate::error::LabError;
use crate::store::CellManifest;

/// The settings of a manifest as an experiment file with one arm.
pub(crate) fn experiment_text(manifest: &CellManifest) -> Result<String, LabError> {
    toml::to_string(&experiment_tables(manifest)?).map_err(|error| wrong(manifest, &error.to_string()))
}

/// The same as a JSON object; what is not set is not there.
pub(crate) fn experiment_tables(manifest: &CellManifest) -> Result<Json, LabError> {
    let sections = manifest.settings.as_object().ok_or_else(|| wrong(manifest, "settings are no table"))?;
    let mut file = Map::new();
    for (section, value) in sections {
        let value = match value {
            Json::Array(items) => Json::Array(items.iter().map(flatten).collect()),
            value => flatten(value),
        };
        file.insert(section.clone(), value);
    }
    Ok(without_nulls(Json::Object(file)))
}

fn wrong(manifest: &CellManifest, what: &str) -> LabError {
    ConfigError::new(format!("the manifest of cell {}: {what}", manifest.train_key)).into()
}

/// `{ kind, version, settings }` as the table that it was built from; other tables as they are.
fn flatten(value: &Json) -> Json {
    let mut flat = match value.get("settings") {
        Some(Json::Object(settings)) => settings.clone(),
        _ => match value.get("calibrator") {
            Some(calibrator) => flatten(calibrator).as_object().cloned().unwrap_or_default(),
            None => return value.clone(),
        },
    };
    for key in ["kind", "on"] {
        if let Some(named) = value.get(key) {
            flat.insert(key.to_owned(), named.clone());
        }
    }
    Json::Object(flat)
}

/// TOML has no null: what is not set is not there.
fn without_nulls(value: Json) -> Json {
    match value {
        Json::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Json::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(without_nulls).collect()),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_become_the_tables_that_they_were_read_from() {
        let calibrator = json!({ "kind": "temperature", "version": 1, "settings": { "toward": "balanced" } });
        let staged = json!({ "on": "experts", "calibrator": calibrator });
        assert_eq!(flatten(&staged), json!({ "kind": "temperature", "on": "experts", "toward": "balanced" }));
        let train = json!({ "epochs": 3, "rest": null });
        assert_eq!(without_nulls(flatten(&train)), json!({ "epochs": 3 }));
    }
}
