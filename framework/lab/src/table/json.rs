//! The model as JSON.

use serde::Serialize;

use super::model::Table;

/// Grows when a reader of the old document could not read the new one.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    tables: &'a [Table],
}

/// Renders tables as one JSON document with full precision.
pub(super) fn render(tables: &[Table]) -> String {
    let document = Document { version: VERSION, tables };
    serde_json::to_string_pretty(&document).expect("a table has only strings as keys") + "\n"
}
