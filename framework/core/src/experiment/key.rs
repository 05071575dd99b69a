//! Keys of cells: hashes of everything that decides a result, and of nothing else.

use std::fmt;

use serde_json::{Value as Json, json};

use crate::digest::sha256;
use crate::registry::Built;

/// Version of what goes into keys. A new version makes every earlier result count as missing.
pub const FORMAT: u32 = 1;

/// A SHA-256 over canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// The key of these facts. Object keys are sorted first, so that their order means nothing.
    pub fn of(facts: &Json) -> Self {
        let mut text = String::new();
        write_canonical(facts, &mut text);
        Self(sha256(text))
    }

    /// All 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for names of folders.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn write_canonical(value: &Json, out: &mut String) {
    match value {
        Json::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Json::String(key.clone()).to_string());
                out.push(':');
                write_canonical(&map[key], out);
            }
            out.push('}');
        }
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

/// What a component contributes to a key.
pub(super) fn identity<T: ?Sized>(built: &Built<T>) -> Json {
    json!({ "kind": built.name, "version": built.version, "settings": built.identity })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_means_nothing_and_values_do() {
        let key = |value: Json| Key::of(&value);
        assert_eq!(key(json!({"a": 1, "b": [1.5, null]})), key(json!({"b": [1.5, null], "a": 1})));
        assert_ne!(key(json!({"a": 1})), key(json!({"a": 2})));
        assert_ne!(key(json!({"a": [1, 2]})), key(json!({"a": [2, 1]})));
    }
}
