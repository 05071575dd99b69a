//! A tree of TOML values, each with the place that it came from.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use super::{ConfigError, Origin, SourceId};

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Value {
    /// What it is.
    pub data: Data,
    /// Where it stands.
    pub origin: Origin,
}

/// The forms of a value. TOML's dates are refused when a file is read: no setting is one.
#[derive(Clone, Debug)]
pub enum Data {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// `[a, b]`, or the tables of `[[name]]`.
    Array(Vec<Value>),
    /// `{ a = 1 }` or `[name]`.
    Table(Table),
}

/// Keys with their places and values, sorted by key.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The entries.
    pub entries: BTreeMap<String, Entry>,
}

/// One `key = value`.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the key stands.
    pub key: Origin,
    /// The value.
    pub value: Value,
}

impl Value {
    /// What messages call this form.
    pub fn form(&self) -> &'static str {
        match self.data {
            Data::String(_) => "a string",
            Data::Integer(_) => "an integer",
            Data::Float(_) => "a float",
            Data::Boolean(_) => "a boolean",
            Data::Array(_) => "an array",
            Data::Table(_) => "a table",
        }
    }

    /// The table, or an error that says what was found.
    ///
    /// # Errors
    /// If the value has another form.
    pub fn into_table(self) -> Result<Table, ConfigError> {
        let form = self.form();
        match self.data {
            Data::Table(table) => Ok(table),
            _ => Err(ConfigError::at(self.origin, format!("expected a table, found {form}"))),
        }
    }
}

impl Table {
    /// Parses a whole document.
    ///
    /// # Errors
    /// If the text is not TOML, or holds a date.
    pub fn parse(text: &str, source: SourceId) -> Result<Self, ConfigError> {
        let document = DeTable::parse(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let written = text.get(span.clone()).unwrap_or_default();
            let (message, help) = explained(error.message().trim(), written);
            let error = ConfigError::at(Origin { source, span }, format!("not TOML: {message}"));
            help.into_iter().fold(error, ConfigError::help)
        })?;
        table(document.into_inner(), source)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// The value at a dotted path through tables and arrays, or the last one on the way that is there.
    pub(super) fn nearest(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let mut found = self.get(parts.next()?)?;
        for part in parts {
            let next = match &found.data {
                Data::Table(table) => table.get(part),
                Data::Array(items) => part.parse().ok().and_then(|index: usize| items.get(index)),
                _ => None,
            };
            let Some(next) = next else { break };
            found = next;
        }
        Some(found)
    }

    /// The text of a string key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.data {
            Data::String(text) => Some(text),
            _ => None,
        }
    }

    /// Merges another table over this one: tables key by key, arrays and plain values replaced. A component table whose
    /// `kind` differs from the one here replaces it whole, since the settings of one component mean nothing to another.
    pub fn merge(&mut self, over: Self) {
        for (name, entry) in over.entries {
            match (self.entries.get_mut(&name), entry) {
                (
                    Some(Entry { value: Value { data: Data::Table(here), origin }, .. }),
                    Entry { value: Value { data: Data::Table(table), origin: place }, .. },
                ) if !changes_kind(here, &table) => {
                    here.merge(table);
                    *origin = place;
                }
                (_, entry) => {
                    self.entries.insert(name, entry);
                }
            }
        }
    }
}

/// What the parser says, which lists what it would have taken even if that is nothing, and what to do where that is known.
fn explained(message: &str, written: &str) -> (String, Option<String>) {
    let message = message.replace('\n', ", ");
    let message = message.strip_suffix(", expected nothing").unwrap_or(&message);
    let message = message.strip_suffix(", expected literal string").unwrap_or(message);
    if message == "string values must be quoted" && written.is_empty() {
        return ("expected a value, found nothing".to_owned(), None);
    }
    let help = if message == "duplicate key" {
        Some(
            "a key stands once, and so does a [section]; only lists such as [[mixing]] are repeated"
                .to_owned(),
        )
    } else if message == "string values must be quoted" || message.starts_with("invalid boolean") {
        let word: String = written.chars().filter(|c| c.is_alphanumeric() || "-_./".contains(*c)).collect();
        Some(format!("a string stands in straight quotes: \"{word}\""))
    } else {
        None
    };
    let message =
        if message.starts_with("invalid boolean") { "string values must be quoted" } else { message };
    (message.to_owned(), help)
}

fn changes_kind(here: &Table, over: &Table) -> bool {
    over.text("kind").is_some_and(|kind| here.text("kind") != Some(kind))
}

fn table(parsed: DeTable<'_>, source: SourceId) -> Result<Table, ConfigError> {
    let mut entries = BTreeMap::new();
    for (key, spanned) in parsed {
        let origin = Origin { source, span: key.span() };
        let span = spanned.span();
        let value = value(spanned.into_inner(), Origin { source, span })?;
        entries.insert(key.into_inner().into_owned(), Entry { key: origin, value });
    }
    Ok(Table { entries })
}

fn value(parsed: DeValue<'_>, origin: Origin) -> Result<Value, ConfigError> {
    let data = match parsed {
        DeValue::String(text) => Data::String(text.into_owned()),
        DeValue::Integer(number) => {
            match i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()) {
                Ok(number) => Data::Integer(number),
                Err(_) => {
                    return Err(ConfigError::at(
                        origin,
                        format!("expected a whole number of at most {}, found {}", i64::MAX, number.as_str()),
                    ));
                }
            }
        }
        DeValue::Float(number) => match number.as_str().replace('_', "").parse() {
            Ok(number) => Data::Float(number),
            Err(_) => return Err(ConfigError::at(origin, "expected a number")),
        },
        DeValue::Boolean(flag) => Data::Boolean(flag),
        DeValue::Datetime(_) => return Err(ConfigError::at(origin, "no setting is a date")),
        DeValue::Array(items) => {
            let mut values = Vec::new();
            for item in items {
                let span = item.span();
                values.push(value(item.into_inner(), Origin { source: origin.source, span })?);
            }
            Data::Array(values)
        }
        DeValue::Table(entries) => Data::Table(table(entries, origin.source)?),
    };
    Ok(Value { data, origin })
}

/// Writes a value as TOML would have it inline.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.data {
            Data::String(text) => write!(f, "{}", toml::Value::String(text.clone())),
            Data::Integer(number) => write!(f, "{number}"),
            Data::Float(number) => write!(f, "{number:?}"),
            Data::Boolean(flag) => write!(f, "{flag}"),
            Data::Array(items) => {
                write!(f, "[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
                }
                write!(f, "]")
            }
            Data::Table(table) => {
                write!(f, "{{")?;
                for (i, (key, entry)) in table.entries.iter().enumerate() {
                    write!(f, "{} {key} = {}", if i == 0 { "" } else { "," }, entry.value)?;
                }
                write!(f, " }}")
            }
        }
    }
}

/// JSON as inline TOML.
pub fn toml_text(value: &Json) -> String {
    match value {
        Json::Object(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{key} = {}", toml_text(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", ")),
        Json::String(text) => toml::Value::String(text.clone()).to_string(),
        plain => plain.to_string(),
    }
}
