//! One error type for everything that can be wrong with an experiment file.

use std::fmt;

use super::Origin;

/// What is wrong, where, and what to do. The program shows it with the line and a caret; [`fmt::Display`] gives the message
/// alone.
#[derive(Clone, Debug)]
pub struct ConfigError {
    /// What was expected and what was found, as a lower-case fragment.
    pub message: String,
    /// The place; none if no text is to blame.
    pub origin: Option<Origin>,
    /// What to do about it.
    pub help: Option<String>,
    /// A second place, and what is there: the first of two things that exclude each other.
    pub other: Option<Box<(Origin, String)>>,
    /// The key of the table that the message is about, for [`Self::within`].
    key: Option<Box<str>>,
}

impl ConfigError {
    /// An error at a place.
    pub fn at(origin: Origin, message: impl Into<String>) -> Self {
        Self { origin: Some(origin), ..Self::new(message) }
    }

    /// An error with no place yet.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), origin: None, help: None, other: None, key: None }
    }

    /// An error about one key of a component's own table, which [`crate::registry`] points at. A dotted path goes into tables
    /// and arrays: `toward.prior`, `distributions.1`.
    pub fn key(key: impl Into<Box<str>>, message: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..Self::new(message) }
    }

    /// Adds advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a second place with a few words on what is there.
    #[must_use]
    pub fn and(mut self, origin: Origin, what: impl Into<String>) -> Self {
        self.other = Some(Box::new((origin, what.into())));
        self
    }

    /// Gives the error a place if it has none: what it names in this table, as far as that is there, else the table itself.
    #[must_use]
    pub fn within(mut self, table: &super::Table, place: &Origin) -> Self {
        if self.origin.is_none() {
            let named = self.key.as_ref().and_then(|path| table.nearest(path));
            self.origin = Some(named.map_or_else(|| place.clone(), |value| value.origin.clone()));
        }
        self
    }

    /// The key that nobody knows, if that is what is wrong.
    pub(crate) fn unknown_key(&self) -> Option<&str> {
        self.key.as_deref().filter(|key| self.message == unknown_key(key))
    }
}

fn unknown_key(key: &str) -> String {
    format!("unknown key `{key}`")
}

/// What to do about a key that is not among the known ones.
pub(crate) fn help_on_key<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match suggestion(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "this table takes no keys".to_owned(),
        None => format!("known keys: {}", known.join(", ")),
    }
}

/// `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
pub(super) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

impl serde::de::Error for ConfigError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::key(field, unknown_key(field)).help(help_on_key(field, expected.iter().copied()))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let error = Self::new(format!("expected {}, found \"{variant}\"", one_of(expected)));
        match suggestion(variant, expected.iter().copied()) {
            Some(near) => error.help(format!("did you mean \"{near}\"?")),
            None => error,
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("missing key `{field}`"))
    }

    fn invalid_type(unexpected: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new(format!("expected {}, found {}", expected_form(expected), found_form(&unexpected)))
    }

    fn invalid_value(unexpected: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new(format!("expected {}, found {}", expected_form(expected), found_form(&unexpected)))
    }

    fn invalid_length(length: usize, expected: &dyn serde::de::Expected) -> Self {
        Self::new(format!("expected {}, found {length}", expected_form(expected)))
    }
}

/// What serde expects, in the words of an experiment file instead of Rust's.
fn expected_form(expected: &dyn serde::de::Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of at least 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a sequence" => "an array".to_owned(),
        "a boolean" => "true or false".to_owned(),
        _ if text.starts_with("struct ") => "a table".to_owned(),
        _ if text.starts_with("an array of length ") => text.replace("length ", ""),
        _ => text,
    }
}

/// What serde found, likewise.
fn found_form(unexpected: &serde::de::Unexpected<'_>) -> String {
    use serde::de::Unexpected;
    match unexpected {
        Unexpected::Bool(flag) => flag.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Float(number) => format!("{number:?}"),
        Unexpected::Str(text) => format!("{text:?}"),
        Unexpected::Seq => "an array".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// The known name that is nearest to a misspelt one, if any is near: alike as a whole, or one slip of the finger away.
pub fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, candidate)| *likeness > 0.8 || strsim::osa_distance(name, candidate) == 1)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
