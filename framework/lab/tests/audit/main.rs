//! Audits of a published table, of made-up ones in several layouts, and of made-up ones with planted mistakes.

mod fixtures;
mod layouts;
mod planted;
mod properties;
mod published;
