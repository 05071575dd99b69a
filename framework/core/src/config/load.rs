//! Reads an experiment file and everything that it extends.

use std::io;
use std::path::{Path, PathBuf};

use super::value::{Data, Table, Value};
use super::{ConfigError, Origin, Sources, suggestion};

/// Reads a file and merges it over the files that its `extends` names, first to last: a table, with the file's own text as its
/// place.
///
/// `extends` is a path or an array of paths, relative to the file that names them.
///
/// # Errors
/// If a file is missing or is not TOML, or if the files extend each other in a circle; the message shows the chain.
pub fn load(path: &Path, sources: &mut Sources) -> Result<Value, ConfigError> {
    follow(path, None, &mut Vec::new(), sources)
}

fn follow(
    path: &Path,
    named_at: Option<&Origin>,
    chain: &mut Vec<(PathBuf, String)>,
    sources: &mut Sources,
) -> Result<Value, ConfigError> {
    let blame = |message: String| match named_at {
        Some(origin) => ConfigError::at(origin.clone(), message),
        None => ConfigError::new(message),
    };
    let name = display_name(path);
    let unreadable = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            let error = blame(format!("there is no file `{name}`"));
            match neighbour(path) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            }
        }
        io::ErrorKind::InvalidData => blame(format!("expected text in UTF-8, `{name}` is none")),
        _ if path.is_dir() => blame(format!("expected a file, `{name}` is a folder")),
        _ => blame(format!("cannot read `{name}`: {error}")),
    };
    let real = path.canonicalize().map_err(|error| unreadable(&error))?;
    if let Some(start) = chain.iter().position(|(earlier, _)| *earlier == real) {
        if start + 1 == chain.len() {
            return Err(blame(format!("`{name}` extends itself")));
        }
        let mut names: Vec<&str> = chain[start..].iter().map(|(_, name)| name.as_str()).collect();
        names.push(&name);
        return Err(blame(format!("these files extend each other: {}", names.join(" -> "))));
    }
    let text = std::fs::read_to_string(&real).map_err(|error| unreadable(&error))?;
    let folder = real.parent().unwrap_or(Path::new("")).to_path_buf();
    let shown_folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let id = sources.add(name.clone(), text.clone(), folder);

    let mut table = Table::parse(&text, id)?;
    let origin = Origin { source: id, span: 0..text.len() };
    let Some(extends) = table.entries.remove("extends") else {
        return Ok(Value { data: Data::Table(table), origin });
    };
    chain.push((real, name));
    let mut merged = Table::default();
    for (parent, named_at) in parents(extends.value)? {
        merged.merge(follow(&shown_folder.join(parent), Some(&named_at), chain, sources)?.into_table()?);
    }
    chain.pop();
    merged.merge(table);
    Ok(Value { data: Data::Table(merged), origin })
}

/// The file of the same folder whose name is most like that of a missing one.
fn neighbour(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_string_lossy().into_owned();
    let folder = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let names = folder.read_dir().ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| Path::new(name).extension().is_some_and(|e| e == "toml")).collect();
    names.sort_unstable();
    let near = suggestion(&wanted, names.iter().map(String::as_str))?;
    Some(display_name(&path.with_file_name(near)))
}

/// `a/b/../c.toml` as `a/c.toml`: a chain of files should read like the names that a user would type.
fn display_name(path: &Path) -> String {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir
                if matches!(parts.components().next_back(), Some(std::path::Component::Normal(_))) =>
            {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.as_os_str().is_empty() { ".".to_owned() } else { parts.display().to_string() }
}

fn parents(value: Value) -> Result<Vec<(String, Origin)>, ConfigError> {
    let form = value.form();
    match value.data {
        Data::String(path) => Ok(vec![(path, value.origin)]),
        Data::Array(items) => {
            let mut all = Vec::new();
            for item in items {
                let form = item.form();
                let Data::String(path) = item.data else {
                    return Err(ConfigError::at(item.origin, format!("expected a path, found {form}")));
                };
                all.push((path, item.origin));
            }
            Ok(all)
        }
        _ => {
            Err(ConfigError::at(value.origin, format!("expected a path or an array of paths, found {form}")))
        }
    }
}
