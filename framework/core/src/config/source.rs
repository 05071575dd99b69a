//! The texts that an experiment was read from: files along `extends`, and command-line overrides.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// Index of a text in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceId(pub usize);

/// The bytes that a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The text.
    pub source: SourceId,
    /// The bytes in it.
    pub span: Range<usize>,
}

/// One text: a file, or a flag such as `--set train.epochs=2`.
#[derive(Clone, Debug)]
pub struct Source {
    /// What messages call it: the path as the user would write it, or the flag.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// The folder that relative paths in it are relative to; the working folder for flags.
    pub folder: PathBuf,
}

/// All texts of one experiment: the source map of the whole plan.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    texts: Vec<Source>,
}

impl Sources {
    /// Adds a text.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        text: impl Into<String>,
        folder: impl Into<PathBuf>,
    ) -> SourceId {
        self.texts.push(Source { name: name.into(), text: text.into(), folder: folder.into() });
        SourceId(self.texts.len() - 1)
    }

    /// The text with this id, which must come from this map.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.texts[id.0]
    }

    /// The folder that a relative path at this place is relative to.
    pub fn folder(&self, origin: &Origin) -> &Path {
        &self.get(origin.source).folder
    }

    /// Line and column of the first byte, both from one; columns count characters.
    pub fn position(&self, origin: &Origin) -> (usize, usize) {
        let text = &self.get(origin.source).text;
        let before = &text[..origin.span.start.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        (line, column)
    }

    /// `file:line`, or the flag itself.
    pub fn describe(&self, origin: &Origin) -> String {
        let source = self.get(origin.source);
        if source.name.starts_with("--") {
            source.name.clone()
        } else {
            format!("{}:{}", source.name, self.position(origin).0)
        }
    }
}
