//! Tables: one model, five renderings.
//!
//! A [`Table`] holds figures at full precision together with what they mean: units, directions, deviations, intervals,
//! footnotes. [`Format`] turns it into text, Markdown, LaTeX, CSV or JSON. Rendering is a pure function that never looks
//! at a terminal: the same numbers give the same bytes, so rendered tables can be snapshot-tested.

mod csv;
mod format;
mod html;
mod json;
mod latex;
mod layout;
mod markdown;
mod model;
mod number;
mod text;

pub(crate) use html::html;

pub use format::{Format, UnknownFormat, render};
pub use model::{Cell, Column, Direction, Estimate, Row, Table, Value};
