//! Long-format CSV: one record per cell.

use ::csv::Writer;
use serde::Serialize;

use super::model::{Cell, Column, Row, Table, Value};

/// One cell. A field that does not apply is empty.
#[derive(Default, Serialize)]
struct Record<'a> {
    table: &'a str,
    row_group: Option<&'a str>,
    row: &'a str,
    column_group: Option<&'a str>,
    column: &'a str,
    unit: Option<&'a str>,
    kind: &'static str,
    mean: Option<f64>,
    sd: Option<f64>,
    n: Option<usize>,
    low: Option<f64>,
    high: Option<f64>,
    best: Option<bool>,
    text: Option<&'a str>,
    footnote: Option<&'a str>,
    row_footnote: Option<&'a str>,
}

/// Renders tables as one CSV document with full precision: every number reads back as the same `f64`.
///
/// `kind` tells what the record is: `estimate` (mean, sd, n, low, high, best), `number` or `p-value` (in `mean`),
/// `interval` (low, high), `text` or `missing`.
pub(super) fn render(tables: &[Table]) -> String {
    let mut writer = Writer::from_writer(Vec::new());
    for table in tables {
        for row in table.rows() {
            for (column, cell) in table.columns.iter().zip(&row.cells) {
                writer.serialize(record(table, row, column, cell)).expect("a flat record goes to memory");
            }
        }
    }
    let bytes = writer.into_inner().expect("writing to memory cannot fail");
    String::from_utf8(bytes).expect("only strings were written")
}

fn record<'a>(table: &'a Table, row: &'a Row, column: &'a Column, cell: &'a Cell) -> Record<'a> {
    let place = Record {
        table: &table.name,
        row_group: row.group.as_deref(),
        row: &row.label,
        column_group: column.group.as_deref(),
        column: &column.name,
        unit: column.unit.as_deref(),
        footnote: cell.footnote.as_deref(),
        row_footnote: row.footnote.as_deref(),
        ..Record::default()
    };
    match &cell.value {
        Value::Estimate(estimate) => Record {
            kind: "estimate",
            mean: finite(estimate.mean),
            sd: estimate.sd.and_then(finite),
            n: estimate.n,
            low: estimate.interval.and_then(|interval| finite(interval.low)),
            high: estimate.interval.and_then(|interval| finite(interval.high)),
            best: Some(estimate.best),
            ..place
        },
        Value::Number(number) => Record { kind: "number", mean: finite(*number), ..place },
        Value::PValue(p) => Record { kind: "p-value", mean: finite(*p), ..place },
        Value::Interval(interval) => {
            Record { kind: "interval", low: finite(interval.low), high: finite(interval.high), ..place }
        }
        Value::Text(words) => Record { kind: "text", text: Some(words), ..place },
        Value::Missing => Record { kind: "missing", ..place },
    }
}

/// A number that every reader of CSV understands.
fn finite(number: f64) -> Option<f64> {
    Some(number).filter(|number| number.is_finite())
}
