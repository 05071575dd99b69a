//! What a registration says, and how settings are read.

use balpoe_core::config::{ConfigError, Data, Entry, Origin, Sources, Table, Value};
use balpoe_core::registry::Registration;
use serde_json::Value as Json;

use super::Findings;

/// Checks the descriptor and the reading of settings; gives the component of the example.
pub(super) fn check<T: ?Sized>(registration: &Registration<T>, findings: &mut Findings) -> Option<Box<T>> {
    describes_itself(registration, findings);
    let (component, settings) = match registration.build_text(registration.descriptor.example) {
        Ok(built) => built,
        Err(error) => {
            findings.note(format!("its example is refused: {error}"));
            return None;
        }
    };
    settings_survive(registration, &settings, findings);
    wrong_settings_are_refused(registration, findings);
    Some(component)
}

fn describes_itself<T: ?Sized>(registration: &Registration<T>, findings: &mut Findings) {
    let descriptor = &registration.descriptor;
    findings.expect(!descriptor.summary.trim().is_empty() && !descriptor.summary.contains('\n'), || {
        "the summary must be one line".to_owned()
    });
    let named = parse(descriptor.example).map(|(table, _)| table.text("kind").map(str::to_owned));
    findings.expect(matches!(&named, Ok(Some(kind)) if kind == descriptor.name), || {
        format!("its example must have `kind = \"{}\"`, found {named:?}", descriptor.name)
    });
    findings.expect(!descriptor.description().trim().is_empty(), || {
        "its settings type has no doc comment, so `describe` has nothing to say about it".to_owned()
    });
    for parameter in descriptor.parameters() {
        findings.expect(!parameter.documentation.trim().is_empty(), || {
            format!(
                "setting `{}` has no doc comment, so `describe` has nothing to say about it",
                parameter.name
            )
        });
    }
}

/// All settings with their defaults, written as JSON and read back, give the same component, and the schema knows them.
fn settings_survive<T: ?Sized>(registration: &Registration<T>, settings: &Json, findings: &mut Findings) {
    let mut sources = Sources::default();
    let source = sources.add("settings", settings.to_string(), ".");
    let origin = Origin { source, span: 0..0 };
    match from_json(settings, &origin).map(|value| (registration.build)(value, &sources)) {
        Some(Ok((_, again))) => findings.expect(again == *settings, || {
            format!("settings change when they are written and read: {settings} becomes {again}")
        }),
        Some(Err(error)) => findings.note(format!("its own settings {settings} are refused: {error}")),
        None => findings.note("its settings are not a table"),
    }
    let parameters = registration.descriptor.parameters();
    for name in settings.as_object().into_iter().flat_map(serde_json::Map::keys) {
        findings.expect(parameters.iter().any(|parameter| parameter.name == *name), || {
            format!("setting `{name}` is not in the schema")
        });
    }
    // A setting without a default must be given, and one with a default must have that one.
    if let Ok((_, defaults)) = registration.build_text("") {
        for parameter in parameters {
            let (found, documented) = (defaults.get(&parameter.name), parameter.default.as_ref());
            findings.expect(found == documented, || {
                format!("the default of `{}` is {found:?}, its schema says {documented:?}", parameter.name)
            });
        }
    }
}

/// A key that there is none of, and a value of an impossible type for every key, are refused where they stand.
fn wrong_settings_are_refused<T: ?Sized>(registration: &Registration<T>, findings: &mut Findings) {
    let example = registration.descriptor.example;
    let text = format!("no_such_setting = 1\n{example}");
    match registration.build_text(&text) {
        Ok(_) => findings.note("an unknown key is not refused: add #[serde(deny_unknown_fields)]"),
        Err(error) => expect_place(&error, &text, "no_such_setting", findings),
    }
    for parameter in registration.descriptor.parameters() {
        let wrong = "{ no_such = \"value\" }";
        let text = format!("{} = {wrong}", parameter.name);
        let (Ok((mut table, mut sources)), Ok((settings, _))) = (parse(&text), parse(example)) else {
            continue;
        };
        let id = sources.add("example", example, ".");
        for (key, mut entry) in settings.entries {
            if key != "kind" && key != parameter.name {
                entry.value.origin.source = id;
                table.entries.insert(key, entry);
            }
        }
        let origin = Origin { source: id, span: 0..0 };
        let value = Value { data: Data::Table(table), origin };
        match (registration.build)(value, &sources) {
            Ok(_) => findings.note(format!("setting `{}` takes {wrong}", parameter.name)),
            Err(error) => findings.expect(error.origin.is_some_and(|origin| origin.source != id), || {
                format!("the error about a wrong `{}` does not point at it", parameter.name)
            }),
        }
    }
}

fn expect_place(error: &ConfigError, text: &str, place: &str, findings: &mut Findings) {
    let found = error.origin.as_ref().and_then(|origin| text.get(origin.span.clone()));
    findings.expect(found == Some(place), || {
        format!("the error \"{error}\" points at {found:?}, not at `{place}`")
    });
}

fn parse(text: &str) -> Result<(Table, Sources), ConfigError> {
    let mut sources = Sources::default();
    let id = sources.add("example", text, ".");
    Ok((Table::parse(text, id)?, sources))
}

/// A JSON value as TOML would have it; a null is a key that is not there.
fn from_json(json: &Json, origin: &Origin) -> Option<Value> {
    let data = match json {
        Json::Null => return None,
        Json::Bool(flag) => Data::Boolean(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Data::Integer(integer),
            None => Data::Float(number.as_f64()?),
        },
        Json::String(text) => Data::String(text.clone()),
        Json::Array(items) => Data::Array(items.iter().filter_map(|item| from_json(item, origin)).collect()),
        Json::Object(entries) => {
            let entry = |(key, json): (&String, &Json)| {
                let entry = Entry { key: origin.clone(), value: from_json(json, origin)? };
                Some((key.clone(), entry))
            };
            Data::Table(Table { entries: entries.iter().filter_map(entry).collect() })
        }
    };
    Some(Value { data, origin: origin.clone() })
}
