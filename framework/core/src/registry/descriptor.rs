//! What a component says about itself when it is registered.

use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::parameter::{self, Parameter};
use crate::config::{ConfigError, Sources, Value};

/// The kinds of components, in the order in which an experiment uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Which images, labels, class names and splits.
    Dataset,
    /// In which order and how often each image is seen.
    Sampler,
    /// How one image is changed.
    Augmentation,
    /// Which network turns an image into one feature vector per expert.
    Backbone,
    /// How a feature vector becomes class logits.
    Head,
    /// What loss trains the experts.
    Objective,
    /// How batches are made softer in training.
    Mixing,
    /// The update of the parameters.
    Optimizer,
    /// The learning rate over time.
    Schedule,
    /// How predictions are made honest after training.
    Calibrator,
    /// How the experts' logits become one prediction.
    Aggregator,
}

impl Kind {
    /// All kinds, in order.
    pub const ALL: [Self; 11] = [
        Self::Dataset,
        Self::Sampler,
        Self::Augmentation,
        Self::Backbone,
        Self::Head,
        Self::Objective,
        Self::Mixing,
        Self::Optimizer,
        Self::Schedule,
        Self::Calibrator,
        Self::Aggregator,
    ];

    /// The name in experiment files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Sampler => "sampler",
            Self::Augmentation => "augmentation",
            Self::Backbone => "backbone",
            Self::Head => "head",
            Self::Objective => "objective",
            Self::Mixing => "mixing",
            Self::Optimizer => "optimizer",
            Self::Schedule => "schedule",
            Self::Calibrator => "calibrator",
            Self::Aggregator => "aggregator",
        }
    }

    /// The header of its tables in experiment files: `[head]`, or `[[mixing]]` where there may be several.
    pub fn header(self) -> String {
        if self.is_list() { format!("[[{self}]]") } else { format!("[{self}]") }
    }

    /// Whether an experiment may have several of this kind, one after the other.
    pub fn is_list(self) -> bool {
        matches!(self, Self::Augmentation | Self::Mixing | Self::Calibrator)
    }

    /// The question that a component of this kind answers.
    pub fn question(self) -> &'static str {
        match self {
            Self::Dataset => "which images, labels, class names and splits",
            Self::Sampler => "in which order and how often is each image seen",
            Self::Augmentation => "how is one image changed",
            Self::Backbone => "which network turns an image into one feature vector per expert",
            Self::Head => "how does a feature vector become class logits",
            Self::Objective => "what loss trains the experts",
            Self::Mixing => "how are batches made softer in training",
            Self::Optimizer => "how do gradients change the parameters",
            Self::Schedule => "what is the learning rate over time",
            Self::Calibrator => "how are predictions made honest after training",
            Self::Aggregator => "how do the experts' logits become one prediction",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A component is its own settings: a plain struct that serde reads from its table in the experiment file, with
/// `#[serde(deny_unknown_fields)]` and a default for everything that has a sensible one. Doc comments of its fields are
/// what `balpoe describe` shows of the settings, and that of the struct what it says of the component: there stands the equation.
/// A setting that says where something is, or how errors are met, and not what comes out, is kept out of the keys of cells by
/// `#[schemars(extend("whereabouts" = true))]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no settings that `register!` could read",
    note = "implement `balpoe_core::registry::Component` for it, and derive Debug, Serialize, Deserialize and JsonSchema"
)]
pub trait Component: fmt::Debug + Send + Sync + Serialize + DeserializeOwned + JsonSchema + 'static {
    /// Counts the changes of what this component computes for the same settings; part of the keys of cells, so that results
    /// of an older meaning are not taken for new ones.
    const VERSION: u32 = 1;

    /// Checks what types cannot: ranges, and settings that exclude each other.
    ///
    /// # Errors
    /// [`ConfigError::key`] names the setting that is wrong, and the caret goes under it.
    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// Refuses, when the plugin is compiled, what cannot stand after `kind =`.
///
/// # Panics
/// If a character is no lower-case letter, digit or hyphen, or there is none.
pub const fn check_name(name: &str) {
    let letters = name.as_bytes();
    assert!(!letters.is_empty(), "a component needs a name");
    let mut at = 0;
    while at < letters.len() {
        assert!(
            matches!(letters[at], b'a'..=b'z' | b'0'..=b'9' | b'-'),
            "a component's name is lower-case letters, digits and hyphens, as in \"my-component\""
        );
        at += 1;
    }
}

/// What a component says about itself, apart from how it is built.
#[derive(Debug)]
pub struct Descriptor {
    /// Its kind.
    pub kind: Kind,
    /// The name that selects it: `kind = "name"` in an experiment file.
    pub name: &'static str,
    /// One line on what it does.
    pub summary: &'static str,
    /// The paper, with the equation; empty if there is none.
    pub paper: &'static str,
    /// Its table as one would write it, without the header.
    pub example: &'static str,
    /// [`Component::VERSION`].
    pub version: u32,
    /// JSON schema of the settings.
    pub schema: fn() -> Schema,
    /// Source file of the registration.
    pub file: &'static str,
    /// Line of the registration.
    pub line: u32,
}

impl Descriptor {
    /// What it does in full, with the equation: the doc comment of the settings type, in Markdown.
    pub fn description(&self) -> String {
        parameter::description(&(self.schema)().to_value())
    }

    /// The settings, in the order of the struct's fields.
    pub fn parameters(&self) -> Vec<Parameter> {
        parameter::parameters(&(self.schema)().to_value())
    }
}

/// Builds a component from its table (without `kind`).
pub type Constructor<T> = fn(Value, &Sources) -> Result<(Box<T>, Json), ConfigError>;

/// A descriptor with the constructor of its component: what [`crate::register!`] submits. `T` is the trait object of the
/// kind, such as `dyn Aggregator`.
pub struct Registration<T: ?Sized + 'static> {
    /// What the component says about itself.
    pub descriptor: Descriptor,
    /// Builds it from its table, and gives back its settings with every default filled in.
    pub build: Constructor<T>,
}
