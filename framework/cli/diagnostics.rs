//! How failures are shown: the message, the line with a caret, and what to do.

use std::ops::Range;

use balpoe_core::config::{ConfigError, Origin, Sources};
use balpoe_lab::{FailureClass, LabError};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use textwrap::{WordSeparator, WordSplitter};

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
        // Names of components, paths and keys are not broken at their hyphens and slashes.
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(100)
            .with_context_lines(1)
            .with_word_separator(WordSeparator::AsciiSpace)
            .with_word_splitter(WordSplitter::NoHyphenation);
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
    labels: Vec<LabeledSpan>,
}

impl Shown {
    fn of(error: &LabError, sources: &Sources) -> Self {
        let mut shown = Self { message: error.to_string(), help: None, source: None, labels: Vec::new() };
        if let LabError::Config(config) = error {
            shown.help.clone_from(&config.help);
            if let Some(origin) = &config.origin {
                let source = sources.get(origin.source);
                // A place at the very end is shown only if the last line has an end.
                let end = if source.text.ends_with('\n') { "" } else { "\n" };
                let text = format!("{}{end}", source.text);
                shown.source = Some(NamedSource::new(&source.name, text).with_language("TOML"));
                let what = if origin.span == (0..source.text.len()) { "in this file" } else { "here" };
                let span = first_line(&source.text, origin);
                shown.labels.push(LabeledSpan::new_primary_with_span(Some(what.to_owned()), span));
                if let Some((other, what)) = config.other.as_deref() {
                    shown.mention(other, what, origin, sources);
                }
            }
        }
        shown
    }

    /// Shows a second place: as a label if it is in the same text, else in words.
    fn mention(&mut self, other: &Origin, what: &str, origin: &Origin, sources: &Sources) {
        if other.source == origin.source {
            let span = first_line(&sources.get(other.source).text, other);
            self.labels.push(LabeledSpan::new_with_span(Some(what.to_owned()), span));
        } else {
            let place = sources.describe(other);
            let help = self.help.take().map(|help| format!("; {help}")).unwrap_or_default();
            self.help = Some(format!("{what}: {place}{help}"));
        }
    }
}

/// Only the first line of a place: a table may be long.
fn first_line(text: &str, origin: &Origin) -> Range<usize> {
    let start = origin.span.start.min(text.len());
    let covered = text.get(start..origin.span.end).unwrap_or_default();
    start..start + covered.find('\n').unwrap_or(covered.len())
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
        Some(Box::new(self.labels.iter().cloned()))
    }
}
