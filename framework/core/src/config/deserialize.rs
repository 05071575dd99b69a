//! Reads any `serde` type from a [`Value`], keeping the place of whatever is wrong.

use std::path::{Path, PathBuf};

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::{Deserialize, Serialize};

use super::error::one_of;
use super::value::{Data, Entry, Table, Value};
use super::{ConfigError, Origin, Sources};

/// Name by which [`FilePath`] asks its deserializer to resolve it.
const FILE_PATH: &str = "$balpoe::FilePath";

/// A path in an experiment file, resolved against the folder of the file that names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FilePath(PathBuf);

impl FilePath {
    /// The resolved path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Resolved;
        impl<'de> Visitor<'de> for Resolved {
            type Value = PathBuf;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a path")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<PathBuf, D::Error> {
                PathBuf::deserialize(inner)
            }
        }
        deserializer.deserialize_newtype_struct(FILE_PATH, Resolved).map(Self)
    }
}

impl schemars::JsonSchema for FilePath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FilePath".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

/// Reads a type from a value.
///
/// # Errors
/// If the value does not fit; the error has the place of the offending key or value.
pub fn deserialize<T: DeserializeOwned>(value: Value, sources: &Sources) -> Result<T, ConfigError> {
    T::deserialize(Node { value, sources })
}

/// A value with the texts that its paths are resolved by.
struct Node<'s> {
    value: Value,
    sources: &'s Sources,
}

/// Adds a place to an error that has none.
fn place<T>(result: Result<T, ConfigError>, origin: &Origin) -> Result<T, ConfigError> {
    result.map_err(|mut error| {
        error.origin.get_or_insert_with(|| origin.clone());
        error
    })
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = ConfigError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let (origin, sources) = (self.value.origin, self.sources);
        let result = match self.value.data {
            Data::String(text) => visitor.visit_string(text),
            Data::Integer(number) => visitor.visit_i64(number),
            Data::Float(number) => visitor.visit_f64(number),
            Data::Boolean(flag) => visitor.visit_bool(flag),
            Data::Array(items) => {
                let length = items.len();
                let mut items = Items { rest: items.into_iter(), sources };
                let value = visitor.visit_seq(&mut items);
                // An array of a fixed length takes what it needs and leaves the rest.
                match items.rest.len() {
                    0 => value,
                    rest => value.and(Err(ConfigError::new(format!(
                        "expected an array of {}, found {length}",
                        length - rest
                    )))),
                }
            }
            Data::Table(table) => visitor.visit_map(Entries::new(table, sources)),
        };
        place(result, &origin)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        if name != FILE_PATH {
            return visitor.visit_newtype_struct(self);
        }
        let form = self.value.form();
        let Data::String(text) = self.value.data else {
            return Err(ConfigError::at(self.value.origin, format!("expected a path, found {form}")));
        };
        let path = self.sources.folder(&self.value.origin).join(text);
        visitor.visit_newtype_struct(path.to_string_lossy().as_ref().into_deserializer())
    }

    /// A struct is a table; serde would take an array as well, field by field, with errors about the first one.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        match self.value.data {
            Data::Array(_) => Err(ConfigError::at(self.value.origin, "expected a table, found an array")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        let found = self.value.to_string();
        let origin = self.value.origin.clone();
        match self.value.data {
            Data::String(text) => {
                let name: StrDeserializer<'_, ConfigError> = text.as_str().into_deserializer();
                place(visitor.visit_enum(name), &origin)
            }
            Data::Table(table) if table.entries.len() == 1 => {
                let sources = self.sources;
                let result = table.entries.into_iter().next().map(|(name, entry)| {
                    visitor.visit_enum(Variant { name, value: Node { value: entry.value, sources } })
                });
                place(result.unwrap_or_else(|| Err(ConfigError::new("expected one key"))), &origin)
            }
            _ => Err(ConfigError::at(origin, format!("expected {}, found {found}", one_of(variants)))),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// The elements of an array, one after the other.
struct Items<'s> {
    rest: std::vec::IntoIter<Value>,
    sources: &'s Sources,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = ConfigError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ConfigError> {
        let sources = self.sources;
        self.rest.next().map(|value| seed.deserialize(Node { value, sources })).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The entries of a table, one after the other; errors about a key carry the key's place.
struct Entries<'s> {
    rest: std::collections::btree_map::IntoIter<String, Entry>,
    current: Option<Value>,
    sources: &'s Sources,
}

impl<'s> Entries<'s> {
    fn new(table: Table, sources: &'s Sources) -> Self {
        Self { rest: table.entries.into_iter(), current: None, sources }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ConfigError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ConfigError> {
        let Some((name, entry)) = self.rest.next() else { return Ok(None) };
        self.current = Some(entry.value);
        let key: StrDeserializer<'_, ConfigError> = name.as_str().into_deserializer();
        place(seed.deserialize(key), &entry.key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ConfigError> {
        match self.current.take() {
            Some(value) => seed.deserialize(Node { value, sources: self.sources }),
            None => Err(ConfigError::new("a value was asked for before its key")),
        }
    }
}

/// `{ name = value }` read as an enum variant with content.
struct Variant<'s> {
    name: String,
    value: Node<'s>,
}

impl<'de, 's> EnumAccess<'de> for Variant<'s> {
    type Error = ConfigError;
    type Variant = Node<'s>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Node<'s>), ConfigError> {
        let name: StrDeserializer<'_, ConfigError> = self.name.as_str().into_deserializer();
        Ok((seed.deserialize(name)?, self.value))
    }
}

impl<'de> VariantAccess<'de> for Node<'_> {
    type Error = ConfigError;

    fn unit_variant(self) -> Result<(), ConfigError> {
        Err(ConfigError::at(self.value.origin, "this value takes no content"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ConfigError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ConfigError> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        self.deserialize_any(visitor)
    }
}
