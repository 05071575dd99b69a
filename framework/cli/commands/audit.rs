//! `balpoe audit`: what cannot be right in a published table.
//!
//! The exit code is 0 for a table without findings, 1 when something was found, and 2 when the table cannot be read.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use balpoe_lab::audit::{AuditError, Facts, Language, audit, parse};

use crate::arguments::{AuditArguments, ReportFormat};
use crate::diagnostics::Failure;
use crate::terminal;

const FOUND: u8 = 1;

pub(super) fn run(arguments: &AuditArguments) -> Result<ExitCode, Failure> {
    let file = &arguments.file;
    let named = |error: &AuditError| Failure::usage(format!("failed to audit `{}`: {error}", file.display()));
    let given = Facts {
        classes: (!arguments.classes.is_empty()).then(|| arguments.classes.clone()),
        samples: arguments.samples,
        ..Facts::default()
    };
    let given = given.validated().map_err(|error| named(&error))?;
    let facts = given.or(sidecar(&file.with_extension("audit.toml"))?);
    let text = read(file)?;
    let document = parse(&text, Language::of(file, &text)).map_err(|error| named(&error))?;
    let report = audit(&document, &facts);
    terminal::print(&match arguments.format {
        ReportFormat::Text => report.text(),
        ReportFormat::Json => report.json(),
    });
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

/// The facts in the file beside the table, if there is one.
fn sidecar(file: &Path) -> Result<Facts, Failure> {
    if !file.exists() {
        return Ok(Facts::default());
    }
    Facts::parse(&read(file)?)
        .map_err(|error| Failure::usage(format!("failed to read `{}`: {error}", file.display())))
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("failed to read `{}`: {error}", file.display())))
}
