//! The JSON schema of experiment files, for editors.
//!
//! It describes fragments, since a file may leave to another what it extends: nothing is required that can be inherited. What
//! only the whole experiment shows, `balpoe check` finds.

use schemars::schema_for;
use serde_json::{Map, Value as Json, json};

use super::recipe::Recipe;
use super::settings::{Evaluate, Train, Validation};
use crate::registry::{Descriptor, Kind, descriptors};

/// The schema of experiment files with every component that the program links (draft 7, which editors for TOML know).
pub fn schema() -> Json {
    let mut definitions = Map::new();
    for kind in Kind::ALL {
        definitions.insert(kind.name().to_owned(), component(kind));
    }
    for (name, settings) in [
        ("train", schema_for!(Train)),
        ("evaluate", schema_for!(Evaluate)),
        ("validation", schema_for!(Validation)),
    ] {
        definitions.insert(name.to_owned(), fragment(&settings.to_value()));
    }
    definitions.insert("phase".to_owned(), phase(&definitions));
    definitions.insert("sweep".to_owned(), sweep());
    let mut properties = plain_keys();
    properties.insert("reference".to_owned(), references());
    properties.insert("arm".to_owned(), arms(&definitions));
    properties.extend(sections(&definitions));
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "balpoe experiment",
        "description": "An experiment of balpoe: components, settings, and the variants that are compared.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "definitions": definitions,
    })
}

fn plain_keys() -> Map<String, Json> {
    let path = json!({ "type": "string" });
    let keys = json!({
        "name": {
            "type": "string",
            "description": "Name of the experiment, and of the folder of its tables; the file's name if left out.",
        },
        "extends": {
            "description": "Files that this one builds on, relative to this file. Later ones win, and this file wins over all.",
            "anyOf": [path, { "type": "array", "items": path }],
        },
        "seeds": {
            "description": "The seeds that every arm is run with.",
            "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 1, "uniqueItems": true,
            "default": [1],
        },
        "on_failure": {
            "description": "What happens to the other cells when one fails.",
            "type": "string", "enum": ["continue", "stop"], "default": "continue",
        },
        "baseline": {
            "description": "The arm that the others are compared with; the first if left out.",
            "type": "string",
        },
    });
    match keys {
        Json::Object(keys) => keys,
        _ => Map::new(),
    }
}

fn references() -> Json {
    json!({
        "description": "Published results that are shown beside ours.",
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "file": { "type": "string", "description": "File of published results, relative to this file." },
                "row": { "type": "string", "description": "Which of its rows." },
                "arm": {
                    "type": "string",
                    "description": "The arm that is meant to reproduce it; without one the row is only shown.",
                },
            },
            "required": ["file", "row"],
            "additionalProperties": false,
        },
    })
}

/// Every section by its key, as it stands in a file or in an arm's `set`.
fn sections(definitions: &Map<String, Json>) -> Map<String, Json> {
    let mut sections = Map::new();
    for name in definitions.keys() {
        let one = json!({ "$ref": format!("#/definitions/{name}") });
        let section = match Kind::ALL.into_iter().find(|kind| kind.name() == name) {
            // Lists are replaced whole, so that their tables inherit nothing.
            Some(kind) if kind.is_list() => json!({
                "description": kind.question(),
                "type": "array",
                "items": { "allOf": [one, { "required": ["kind"] }] },
            }),
            None if name == "phase" => json!({
                "description": "Changes of the training from an epoch on, in order.",
                "type": "array",
                "items": one,
            }),
            _ => one,
        };
        sections.insert(name.clone(), section);
    }
    sections
}

/// `[[phase]]`: its `set` has sections of the recipe, and single settings by dotted keys.
fn phase(definitions: &Map<String, Json>) -> Json {
    let recipe = definitions.iter().filter(|(name, _)| Recipe::SECTIONS.contains(&name.as_str()));
    let parts = json!({ "type": "array", "items": { "type": "string" } });
    let (mut freeze, mut reinitialise) = (parts.clone(), parts);
    freeze["description"] =
        "What is not trained from here on: `backbone`, `head`, or beginnings of parameters' names.".into();
    reinitialise["description"] = "What starts from fresh initial values.".into();
    json!({
        "description": "A change of the training from an epoch on.",
        "type": "object",
        "properties": {
            "after": { "type": "integer", "minimum": 0, "description": "Epochs that are done when it begins." },
            "freeze": freeze,
            "reinitialise": reinitialise,
            "set": by_path("What is trained otherwise, such as \"optimizer.learning_rate\".", &recipe.map(|(n, d)| (n.clone(), d.clone())).collect()),
        },
        "required": ["after"],
        "additionalProperties": false,
    })
}

fn sweep() -> Json {
    json!({
        "description": "Settings that are tried on validation images; every arm is run with its best.",
        "type": "object",
        "properties": {
            "grid": {
                "type": "object",
                "description": "Keys from the top with values to try, such as optimizer.learning_rate = [0.05, 0.1].",
            },
            "metric": {
                "type": "string",
                "description": "What decides, on the validation images.",
                "default": "accuracy",
            },
            "select_on": { "type": "string", "enum": ["validation"], "default": "validation" },
            "seeds": {
                "type": "array", "items": { "type": "integer", "minimum": 0 },
                "description": "Seeds of every trial; the experiment's first if left out.",
            },
        },
        "additionalProperties": false,
    })
}

/// A `set`: whole sections, and single settings by dotted keys such as `backbone.experts`.
fn by_path(description: &str, definitions: &Map<String, Json>) -> Json {
    let mut settings = sections(definitions);
    for (section, definition) in definitions {
        if settings[section]["type"] == "array" {
            continue;
        }
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            settings.insert(format!("{section}.{key}"), property.clone());
        }
    }
    json!({
        "description": description,
        "type": "object",
        "properties": settings,
        "patternProperties": { "^[a-z_]+\\.[a-z0-9_]+\\..+$": {} },
        "additionalProperties": false,
    })
}

/// `[[arm]]`.
fn arms(definitions: &Map<String, Json>) -> Json {
    let set = by_path(
        "What differs from the file: sections, and settings by dotted keys such as \"backbone.experts\".",
        definitions,
    );
    json!({
        "description": "A variant of the experiment; all are run with the same seeds.",
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "Its name in tables." },
                "set": set,
            },
            "required": ["name"],
            "additionalProperties": false,
        },
    })
}

/// The table of a component: any setting of any component of the kind, and with a `kind`, only those of that one.
fn component(kind: Kind) -> Json {
    let all: Vec<&Descriptor> = descriptors().into_iter().filter(|d| d.kind == kind).collect();
    let names: Vec<&str> = all.iter().map(|d| d.name).collect();
    let summaries: Vec<String> = all.iter().map(|d| summary(d)).collect();
    let stage = (kind == Kind::Calibrator).then(|| {
        json!({
            "description": "Whether it works on each expert before they are aggregated, or on the aggregated prediction.",
            "type": "string", "enum": ["experts", "ensemble"], "default": "ensemble",
        })
    });
    let mut union = Map::new();
    union.insert(
        "kind".to_owned(),
        json!({
            "description": format!("Which {kind}: {}?", kind.question()),
            "type": "string",
            "enum": names,
            "x-taplo": { "docs": { "enumValues": summaries } },
        }),
    );
    let mut choices = Vec::new();
    for descriptor in all {
        let settings = inlined(&(descriptor.schema)().to_value());
        let mut own = Map::new();
        own.insert("kind".to_owned(), json!({}));
        for (name, property) in settings["properties"].as_object().into_iter().flatten() {
            own.insert(name.clone(), property.clone());
            widen(&mut union, name, property);
        }
        own.extend(stage.iter().map(|stage| ("on".to_owned(), stage.clone())));
        let mut then = json!({ "properties": own, "additionalProperties": false });
        if kind.is_list() && settings.get("required").is_some() {
            then["required"] = settings["required"].clone();
        }
        let only = json!({ "properties": { "kind": { "const": descriptor.name } }, "required": ["kind"] });
        choices.push(json!({ "if": only, "then": then }));
    }
    union.extend(stage.into_iter().map(|stage| ("on".to_owned(), stage)));
    json!({
        "description": kind.question(),
        "type": "object",
        "properties": union,
        "additionalProperties": false,
        "allOf": choices,
    })
}

/// What an editor shows beside a component's name.
fn summary(descriptor: &Descriptor) -> String {
    let parts = [descriptor.summary.to_owned(), descriptor.description(), descriptor.paper.to_owned()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// Adds a setting to those of other components of the kind: under one name each may take something else.
fn widen(union: &mut Map<String, Json>, name: &str, property: &Json) {
    let Some(known) = union.get_mut(name) else {
        union.insert(name.to_owned(), property.clone());
        return;
    };
    if known == property {
        return;
    }
    match known.get_mut("anyOf").and_then(Json::as_array_mut) {
        Some(options) if options.contains(property) => {}
        Some(options) => options.push(property.clone()),
        None => *known = json!({ "anyOf": [known.clone(), property] }),
    }
}

/// A section that may be completed by another file.
fn fragment(schema: &Json) -> Json {
    let mut schema = inlined(schema);
    if let Some(map) = schema.as_object_mut() {
        map.remove("required");
    }
    schema
}

/// A schema on its own: what it refers to in its place, without the keys that only a whole document has.
fn inlined(schema: &Json) -> Json {
    let mut schema = resolve(schema, schema);
    if let Some(map) = schema.as_object_mut() {
        for key in ["$schema", "$defs", "title"] {
            map.remove(key);
        }
    }
    schema
}

fn resolve(part: &Json, root: &Json) -> Json {
    match part {
        Json::Object(map) => {
            let target =
                map.get("$ref").and_then(Json::as_str).and_then(|text| root.pointer(text.strip_prefix('#')?));
            let mut resolved = match target.map(|target| resolve(target, root)) {
                Some(Json::Object(target)) => target,
                _ => Map::new(),
            };
            // What stands beside a reference, such as the field's own description, wins over what is referred to.
            for (key, value) in map.iter().filter(|(key, _)| *key != "$ref" && *key != "$defs") {
                resolved.insert(key.clone(), resolve(value, root));
            }
            Json::Object(resolved)
        }
        Json::Array(items) => Json::Array(items.iter().map(|item| resolve(item, root)).collect()),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sections::known_keys;
    use super::*;

    /// What experiment files may have and the schema lacks would be an error in every editor.
    #[test]
    fn the_schema_has_the_keys_of_experiments() {
        let schema = schema();
        let mut described: Vec<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut known: Vec<&str> = known_keys().collect();
        described.sort_unstable();
        known.sort_unstable();
        assert_eq!(described, known);
    }

    #[test]
    fn settings_of_one_name_may_take_what_either_takes() {
        let mut union = Map::new();
        for form in ["number", "string", "number", "string"] {
            widen(&mut union, "tau", &json!({ "type": form }));
        }
        assert_eq!(union["tau"], json!({ "anyOf": [{ "type": "number" }, { "type": "string" }] }));
    }
}
