//! Values separated by commas, semicolons or tabs.

use ::csv::ReaderBuilder;

use super::error::AuditError;
use super::raw::{RawCell, RawRow, RawTable};

/// Reads the one table of a document.
pub(super) fn tables(text: &str) -> Result<Vec<RawTable>, AuditError> {
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().next().unwrap_or_default();
    let count = |separator: char| first.matches(separator).count();
    // A decimal comma makes commas frequent, so the others go first.
    let separator = [';', '\t'].into_iter().find(|&other| count(other) > 0 && count(other) >= count(','));
    let delimiter = separator.unwrap_or(',') as u8;
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(|error| AuditError::Csv(error.to_string()))?;
        let cells = record.iter().map(|cell| RawCell { text: cell.trim().to_owned(), span: 1 });
        rows.push(RawRow { cells: cells.collect(), is_heading: at == 0 });
    }
    Ok(vec![RawTable { rows, has_spans: false }])
}
