//! Looking after the run store: which cells there are, what they keep, and how they travel from machine to machine.

mod archive;
mod export;
mod import;
mod overview;

pub use export::{Export, Exported, export};
pub use import::{Import, Imported, import};
pub use overview::{CellState, StoredCell, cells, describe, remove, select};

pub use crate::readme::size;
