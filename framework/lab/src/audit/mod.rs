//! Published tables checked by machine: every figure against what the rest of the table says of it.
//!
//! [`parse`] reads the tables of a LaTeX, Markdown or CSV document; [`audit`] recomputes means and deviations from their seed
//! rows, compares columns that hold the same quantity, recomputes overall accuracies from group accuracies where the test
//! set is balanced, and asks whether a percentage can be a share of the test images. What cannot be right becomes a
//! [`Finding`], with the corrected figure where the table determines it.
//!
//! ```
//! use balpoe_lab::audit::{Class, Facts, Language, audit, parse};
//!
//! let table = "| run    | many | medium | few  | all   |\n\
//!              |--------|------|--------|------|-------|\n\
//!              | seed 1 | 67.2 | 53.6   | 31.4 | 51.7  |\n\
//!              | seed 2 | 67.9 | 54.0   | 30.5 | 51.8  |\n\
//!              | mean   | 67.5 | 53.8   | 39.9 | 51.7  |\n";
//! let report = audit(&parse(table, Language::Markdown)?, &Facts::default());
//! let finding = &report.findings[0];
//! assert_eq!((finding.row.as_str(), finding.column.as_str()), ("mean", "few"));
//! assert_eq!((finding.class, finding.corrected.as_deref()), (Class::Contradicted, Some("31.0")));
//! # Ok::<(), balpoe_lab::audit::AuditError>(())
//! ```

mod check;
mod csv;
mod error;
mod facts;
mod figure;
mod finding;
mod latex;
mod layout;
mod markdown;
mod number;
mod quantity;
mod raw;
mod relation;
mod render;
mod rows;
mod runs;
mod series;
mod sheet;
mod single;
mod source;

pub use check::audit;
pub use error::AuditError;
pub use facts::Facts;
pub use finding::{Class, Finding, Report};
pub use source::{Document, Language, parse};
