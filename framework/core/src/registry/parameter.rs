//! What the schema of a component's settings says, in words.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::config::toml_text;

/// One setting of a component, as its schema has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parameter {
    /// The key.
    pub name: String,
    /// What values it takes, such as `number` or `"A" or "B"`.
    pub form: String,
    /// The default as JSON, null where the default is to have no value; none for a setting that must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Json>,
    /// The field's documentation.
    pub documentation: String,
}

impl Parameter {
    /// The default as one would write it in an experiment file; `none` where the default is to have no value, nothing where there is no default.
    pub fn default_text(&self) -> Option<String> {
        self.default
            .as_ref()
            .map(|default| if default.is_null() { "none".to_owned() } else { toml_text(default) })
    }
}

/// The settings in a schema, in its order.
pub(super) fn parameters(schema: &Json) -> Vec<Parameter> {
    properties(schema)
        .into_iter()
        .flatten()
        .map(|(name, property)| Parameter {
            name: name.clone(),
            form: form(property, schema),
            default: property.get("default").cloned(),
            documentation: property
                .get("description")
                .and_then(Json::as_str)
                .unwrap_or_default()
                .replace('\n', " "),
        })
        .collect()
}

/// The documentation of the settings type, which may wrap another one.
pub(super) fn description(schema: &Json) -> String {
    let own = schema.get("description").or_else(|| resolved(schema, schema).get("description"));
    let text = own.and_then(Json::as_str).unwrap_or_default();
    let paragraphs: Vec<String> = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
    paragraphs.join("\n\n")
}

/// The settings in a schema, which may refer to another type that the component wraps.
pub(super) fn properties(schema: &Json) -> Option<&Map<String, Json>> {
    resolved(schema, schema).get("properties")?.as_object()
}

/// What a `$ref` of the schema stands for.
fn resolved<'a>(part: &'a Json, schema: &'a Json) -> &'a Json {
    let reference = part.get("$ref").and_then(Json::as_str).and_then(|text| text.strip_prefix('#'));
    reference.and_then(|pointer| schema.pointer(pointer)).unwrap_or(part)
}

/// The form of a property in words: `number`, `array of numbers`, or alternatives joined by "or".
fn form(property: &Json, schema: &Json) -> String {
    let property = resolved(property, schema);
    if let Some(value) = property.get("const") {
        return value.to_string();
    }
    if let Some(values) = property.get("enum").and_then(Json::as_array) {
        return alternatives(values.iter().map(ToString::to_string));
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(options) = property.get(key).and_then(Json::as_array) {
            return alternatives(options.iter().map(|option| form(option, schema)));
        }
    }
    match property.get("type") {
        Some(Json::String(name)) if name == "array" => array(property, schema),
        Some(Json::String(name)) if name == "object" => table(property, schema),
        Some(Json::String(name)) => name.clone(),
        Some(Json::Array(names)) => alternatives(names.iter().filter_map(Json::as_str).map(str::to_owned)),
        _ => "any".to_owned(),
    }
}

/// Alternatives without repetition. That there may be no value is said by the default.
fn alternatives(forms: impl Iterator<Item = String>) -> String {
    let mut different: Vec<String> = Vec::new();
    for form in forms {
        if form != "null" && !different.contains(&form) {
            different.push(form);
        }
    }
    different.join(" or ")
}

fn array(property: &Json, schema: &Json) -> String {
    let Some(items) = property.get("items") else { return "array".to_owned() };
    let mut items = form(items, schema);
    if ["number", "integer", "string", "boolean"].contains(&items.as_str()) {
        items.push('s');
    }
    let limit = |key| property.get(key).and_then(Json::as_u64);
    match (limit("minItems"), limit("maxItems")) {
        (Some(least), Some(most)) if least == most => format!("array of {least} {items}"),
        _ => format!("array of {items}"),
    }
}

fn table(property: &Json, schema: &Json) -> String {
    let Some(entries) = property.get("properties").and_then(Json::as_object) else {
        return "table".to_owned();
    };
    let entries: Vec<String> =
        entries.iter().map(|(key, entry)| format!("{key} = {}", form(entry, schema))).collect();
    format!("{{ {} }}", entries.join(", "))
}
