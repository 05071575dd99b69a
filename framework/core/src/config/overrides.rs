//! `--set a.b=value` and `--unset a.b`, which come after every file.

use std::ops::Range;

use super::value::{Data, Entry, Table, Value};
use super::{ConfigError, Origin, SourceId, Sources, suggestion};

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
    // The parser reads an assignment, and counts bytes in it.
    let assignment = "value = ";
    let shift = |span: &Range<usize>| {
        let moved = |byte: usize| {
            (byte.saturating_sub(assignment.len()) + value_at.span.start).min(value_at.span.end)
        };
        moved(span.start)..moved(span.end)
    };
    let value = match Table::parse(&format!("{assignment}{written}"), source) {
        Ok(mut parsed) => match parsed.entries.remove("value") {
            Some(mut entry) if parsed.entries.is_empty() => {
                relocate(&mut entry.value, &shift);
                entry.value
            }
            _ => return Err(ConfigError::at(value_at, "expected one value")),
        },
        // A bare word needs no quotes on a command line.
        Err(_)
            if written.chars().all(|c| c.is_alphanumeric() || "-_./:".contains(c)) && !written.is_empty() =>
        {
            Value { data: Data::String(written.to_owned()), origin: value_at.clone() }
        }
        Err(error) => {
            let span = error.origin.as_ref().map_or(value_at.span.clone(), |origin| shift(&origin.span));
            let error = ConfigError::at(Origin { source, span }, error.message);
            return Err(error.help(
                "a value is written as in a file; quotes within quotes: --set 'head.kind=\"linear\"'",
            ));
        }
    };
    set_path(table, path.trim(), value, &Origin { source, span: start..start + path.len() })
}

/// Moves the places of a value and of everything in it.
fn relocate(value: &mut Value, shift: &impl Fn(&Range<usize>) -> Range<usize>) {
    value.origin.span = shift(&value.origin.span);
    match &mut value.data {
        Data::Array(items) => items.iter_mut().for_each(|item| relocate(item, shift)),
        Data::Table(table) => {
            for entry in table.entries.values_mut() {
                entry.key.span = shift(&entry.key.span);
                relocate(&mut entry.value, shift);
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
        if let Some(before) = inner(table, &parts, key)? {
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

/// The table at a path, or none where it does not exist yet; `key` is where the path is written. A number counts the tables of an
/// array from zero.
fn inner<'t>(
    table: &'t mut Table,
    path: &[&str],
    key: &Origin,
) -> Result<Option<&'t mut Table>, ConfigError> {
    let mut current = table;
    let mut depth = 0;
    while let Some(part) = path.get(depth) {
        let Some(Entry { value, .. }) = current.entries.get_mut(*part) else { return Ok(None) };
        depth += 1;
        let value = match path.get(depth).and_then(|part| part.parse().ok()) {
            Some(number) if matches!(value.data, Data::Array(_)) => {
                depth += 1;
                item(value, number, &path[..depth - 1], key)?
            }
            _ => value,
        };
        let form = value.form();
        let origin = value.origin.clone();
        let Data::Table(next) = &mut value.data else {
            let path = path[..depth].join(".");
            return Err(ConfigError::at(key.clone(), format!("`{path}` is {form}, not a table"))
                .and(origin, format!("{form} here"))
                .help("replace it whole instead"));
        };
        current = next;
    }
    Ok(Some(current))
}

/// An entry of an array, counted from zero; `key` is where the path is written.
fn item<'t>(
    array: &'t mut Value,
    number: usize,
    path: &[&str],
    key: &Origin,
) -> Result<&'t mut Value, ConfigError> {
    let (path, origin) = (path.join("."), array.origin.clone());
    let Data::Array(items) = &mut array.data else {
        return Err(ConfigError::at(key.clone(), format!("`{path}` is not an array")));
    };
    let count = items.len();
    items.get_mut(number).ok_or_else(|| {
        let message = format!("`{path}` has no entry {number}, its entries are {count}");
        ConfigError::at(key.clone(), message).and(origin, "the entries")
    })
}

fn unset(table: &mut Table, path: &str, origin: &Origin) -> Result<(), ConfigError> {
    let parts: Vec<&str> = path.split('.').map(str::trim).collect();
    let (last, before) =
        parts.split_last().ok_or_else(|| ConfigError::at(origin.clone(), "expected a key"))?;
    let Some(table) = inner(table, before, origin)? else {
        return Err(ConfigError::at(origin.clone(), format!("`{path}` is not set")));
    };
    let removed = table.entries.remove(*last);
    removed.map(drop).ok_or_else(|| {
        let known = table.entries.keys().map(String::as_str);
        let near = suggestion(last, known).map(|near| [before, &[near]].concat().join("."));
        let error = ConfigError::at(origin.clone(), format!("`{path}` is not set"));
        match near {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        }
    })
}
