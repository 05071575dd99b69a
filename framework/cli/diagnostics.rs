//! How failures are shown: the message, the line with a caret, and what to do.

use std::path::PathBuf;

use balpoe_core::config::{ConfigError, Sources};
use balpoe_lab::{FailureClass, LabError};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use crate::terminal;

/// A failure of a command, with the texts that it may point into.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Box<LabError>,
    pub(crate) sources: Sources,
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        Self { error: Box::new(error), sources: Sources::default() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        LabError::from(error).into()
    }
}

impl Failure {
    /// Gives the failure the texts that it may point into.
    pub(crate) fn with(error: impl Into<LabError>, sources: &Sources) -> Self {
        Self { error: Box::new(error.into()), sources: sources.clone() }
    }

    /// A mistake on the command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        ConfigError::new(message).into()
    }

    pub(crate) fn class(&self) -> FailureClass {
        self.error.class()
    }

    /// The whole report, ending in a newline.
    pub(crate) fn report(&self) -> String {
        let theme = if terminal::has_colour() {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(100).with_context_lines(1);
        let mut text = String::new();
        match handler.render_report(&mut text, &Shown::of(&self.error, &self.sources)) {
            Ok(()) => text,
            Err(_) => format!("{}\n", self.error),
        }
    }
}

/// A failure as miette wants it.
#[derive(Debug)]
struct Shown {
    message: String,
    help: Option<String>,
    source: Option<NamedSource<String>>,
    label: Option<LabeledSpan>,
}

impl Shown {
    fn of(error: &LabError, sources: &Sources) -> Self {
        let mut shown = Self { message: error.to_string(), help: None, source: None, label: None };
        if let LabError::Config(config) = error {
            shown.help.clone_from(&config.help);
            if let Some(origin) = &config.origin {
                let source = sources.get(origin.source);
                let name = PathBuf::from(&source.name).display().to_string();
                shown.source = Some(NamedSource::new(name, source.text.clone()).with_language("TOML"));
                // Only the first line of what is wrong: a table may be long.
                let text = &source.text[origin.span.clone()];
                let length = text.find('\n').unwrap_or(text.len());
                shown.label = Some(LabeledSpan::at(origin.span.start..origin.span.start + length, "here"));
            }
        }
        shown
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.label
            .clone()
            .map(|label| Box::new(std::iter::once(label)) as Box<dyn Iterator<Item = LabeledSpan>>)
    }
}
