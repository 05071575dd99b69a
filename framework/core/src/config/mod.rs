//! TOML values that remember where they came from, and errors that point there.

mod deserialize;
mod error;
mod load;
mod overrides;
mod source;
mod value;

pub use deserialize::{FilePath, deserialize};
pub(crate) use error::help_on_key;
pub use error::{ConfigError, suggestion};
pub use load::load;
pub use overrides::{Override, apply, set_path};
pub use source::{Origin, Source, SourceId, Sources};
pub use value::{Data, Entry, Table, Value, toml_text};
