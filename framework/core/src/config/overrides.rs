//! `--set a.b=value` and `--unset a.b`, which come after every file.

use super::value::{Data, Entry, Table, Value};
use super::{ConfigError, Origin, SourceId, Sources};

/// One override from the command line.
#[derive(Clone, Debug)]
pub enum Override {
    /// `--set a.b=value`; the value is TOML, and a bare word is taken as a string.
    Set(String),
    /// `--unset a.b`.
    Unset(String),
}

/// Applies overrides in order.
///
/// # Errors
/// If an override is not of its form, or goes through a value that is not a table, or unsets what is not set.
pub fn apply(table: &mut Table, overrides: &[Override], sources: &mut Sources) -> Result<(), ConfigError> {
    for item in overrides {
        match item {
            Override::Set(text) => {
                let flag = format!("--set {text}");
                let id = sources.add(flag.clone(), flag, ".");
                set(table, text, id)?;
            }
            Override::Unset(path) => {
                let flag = format!("--unset {path}");
                let id = sources.add(flag.clone(), flag.clone(), ".");
                let origin = Origin { source: id, span: "--unset ".len()..flag.len() };
                unset(table, path, &origin)?;
            }
        }
    }
    Ok(())
}

fn set(table: &mut Table, text: &str, source: SourceId) -> Result<(), ConfigError> {
    let start = "--set ".len();
    let whole = Origin { source, span: start..start + text.len() };
    let Some((path, written)) = text.split_once('=') else {
        return Err(ConfigError::at(whole, "expected key=value").help("for example --set train.epochs=2"));
    };
    let value_at = Origin { source, span: start + path.len() + 1..start + text.len() };
    let mut value = match Table::parse(&format!("value = {written}"), source) {
        Ok(mut parsed) => match parsed.entries.remove("value") {
            Some(entry) if parsed.entries.is_empty() => entry.value,
            _ => return Err(ConfigError::at(value_at, "expected one value")),
        },
        // A bare word needs no quotes on a command line.
        Err(_)
            if written.chars().all(|c| c.is_alphanumeric() || "-_./:".contains(c)) && !written.is_empty() =>
        {
            Value { data: Data::String(written.to_owned()), origin: value_at.clone() }
        }
        Err(error) => {
            return Err(ConfigError::at(value_at, format!("expected a TOML value: {}", error.message)));
        }
    };
    relocate(&mut value, &value_at);
    set_path(table, path.trim(), value, &Origin { source, span: start..start + path.len() })
}

/// Parts of an override all point at the override: their spans were counted in a text of our own making.
fn relocate(value: &mut Value, origin: &Origin) {
    value.origin = origin.clone();
    match &mut value.data {
        Data::Array(items) => items.iter_mut().for_each(|item| relocate(item, origin)),
        Data::Table(table) => {
            for entry in table.entries.values_mut() {
                entry.key = origin.clone();
                relocate(&mut entry.value, origin);
            }
        }
        _ => {}
    }
}

/// Sets the value at a dotted path, making the tables on the way. A table merges as in `extends`.
///
/// # Errors
/// If the path is empty or goes through a value that is not a table.
pub fn set_path(table: &mut Table, path: &str, value: Value, key: &Origin) -> Result<(), ConfigError> {
    let mut parts: Vec<&str> = path.split('.').map(str::trim).collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(ConfigError::at(
            key.clone(),
            format!("`{path}` is not a key: expected names joined by dots"),
        ));
    }
    let mut nested = value;
    while let Some(part) = parts.pop() {
        if let Some(before) = inner(table, &parts)? {
            let mut over = Table::default();
            over.entries.insert(part.to_owned(), Entry { key: key.clone(), value: nested });
            before.merge(over);
            return Ok(());
        }
        let mut entries = Table::default();
        entries.entries.insert(part.to_owned(), Entry { key: key.clone(), value: nested });
        nested = Value { data: Data::Table(entries), origin: key.clone() };
    }
    Ok(())
}

/// The table at a path, or none where it does not exist yet.
fn inner<'t>(table: &'t mut Table, path: &[&str]) -> Result<Option<&'t mut Table>, ConfigError> {
    let mut current = table;
    for (depth, part) in path.iter().enumerate() {
        let Some(entry) = current.entries.get_mut(*part) else { return Ok(None) };
        let form = entry.value.form();
        let Data::Table(next) = &mut entry.value.data else {
            let path = path[..=depth].join(".");
            return Err(ConfigError::at(
                entry.value.origin.clone(),
                format!("`{path}` is {form}, not a table"),
            )
            .help("replace it whole instead"));
        };
        current = next;
    }
    Ok(Some(current))
}

fn unset(table: &mut Table, path: &str, origin: &Origin) -> Result<(), ConfigError> {
    let parts: Vec<&str> = path.split('.').map(str::trim).collect();
    let (last, before) =
        parts.split_last().ok_or_else(|| ConfigError::at(origin.clone(), "expected a key"))?;
    let removed = inner(table, before)?.and_then(|table| table.entries.remove(*last));
    removed.map(drop).ok_or_else(|| ConfigError::at(origin.clone(), format!("`{path}` is not set")))
}
