//! The sections that are not components: `[train]`, `[evaluate]`, `[validation]`.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::ConfigError;

/// `[train]`: how long, in what batches, and how the network is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Passes over the training set.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    /// Images in a batch; the last batch of an epoch may be smaller.
    #[serde(default = "default_batch_size")]
    #[schemars(range(min = 2))]
    pub batch_size: usize,
    /// Consecutive images that share batch-norm statistics: a number, or `"all"` for the whole batch. Running statistics are
    /// those of the first group, as with one replica a device in the reference.
    #[serde(default)]
    pub batch_norm_group: BatchNormGroup,
    /// `"auto"` uses the engine's own form of heads and objectives where there is one; `"off"` trains them through dfdx.
    #[serde(default)]
    pub lowering: Lowering,
    /// Whether 3x3 convolutions may use Winograd's algorithm, which is faster and rounds a little more.
    #[serde(default = "default_true")]
    pub winograd: bool,
    /// How GPUs compute: `"bf16"` keeps feature maps in 16 bits, `"tf32"` keeps 32 and rounds what tensor cores multiply, `"f32"`
    /// rounds nothing. Weights, statistics and losses have 32 bits or more in all of them, and a processor computes in `f32` always.
    #[serde(default)]
    pub precision: Precision,
    /// SHA-256 of weights that `balpoe weights import` put in the place of training. Such a cell is evaluated and never trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
}

fn default_batch_size() -> usize {
    128
}

fn default_true() -> bool {
    true
}

impl Train {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.epochs == 0 {
            return Err(ConfigError::key("epochs", "expected at least one epoch, found 0"));
        }
        if self.batch_size < 2 {
            return Err(ConfigError::key(
                "batch_size",
                format!(
                    "expected at least 2 images, found {}: batch norm needs more than one",
                    self.batch_size
                ),
            ));
        }
        if self.batch_norm_group == BatchNormGroup::Images(0) {
            return Err(ConfigError::key("batch_norm_group", "expected at least one image, found 0"));
        }
        Ok(())
    }
}

/// Whether heads and objectives run in the engine or in dfdx.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lowering {
    /// In the engine where it has them.
    #[default]
    Auto,
    /// Always in dfdx.
    Off,
}

/// How GPUs compute. A processor computes in `f32` always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Feature maps of 32 bits, and products of all their bits.
    F32,
    /// Feature maps of 32 bits, whose mantissa is rounded to 10 bits where they are multiplied.
    Tf32,
    /// Feature maps of 16 bits, with the exponent of 32.
    #[default]
    Bf16,
}

/// Images that share batch-norm statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchNormGroup {
    /// The whole batch.
    #[default]
    All,
    /// So many consecutive images.
    Images(usize),
}

impl Serialize for BatchNormGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::Images(n) => serializer.serialize_u64(*n as u64),
        }
    }
}

impl<'de> Deserialize<'de> for BatchNormGroup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Group;
        impl Visitor<'_> for Group {
            type Value = BatchNormGroup;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of images or \"all\"")
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<BatchNormGroup, E> {
                Ok(BatchNormGroup::Images(n as usize))
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<BatchNormGroup, E> {
                usize::try_from(n)
                    .map(BatchNormGroup::Images)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<BatchNormGroup, E> {
                if text == "all" {
                    Ok(BatchNormGroup::All)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(text), &self))
                }
            }
        }
        deserializer.deserialize_any(Group)
    }
}

impl JsonSchema for BatchNormGroup {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BatchNormGroup".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "all" }] })
    }
}

/// `[evaluate]`: what the finished network is tried on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Evaluate {
    /// Test distributions, by the names that the data set gives them.
    #[schemars(length(min = 1))]
    pub distributions: Vec<String>,
    /// Whether every distribution is evaluated a second time with the log of its true class prior added to the logits, as
    /// if that prior were known.
    pub prior_correction: bool,
    /// Equal-width bins of calibration errors.
    #[schemars(range(min = 1))]
    pub bins: usize,
    /// Cross-fitting, an explicit protocol where there is no validation split: calibrators and aggregators are fitted on all
    /// but one of so many folds of the test images and applied to that one, fold by fold. It replaces `[validation]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub cross_fit: Option<usize>,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self { distributions: vec!["uniform".to_owned()], prior_correction: true, bins: 15, cross_fit: None }
    }
}

impl Evaluate {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.distributions.is_empty() {
            return Err(ConfigError::key(
                "distributions",
                "expected at least one test distribution, found none",
            ));
        }
        if self.bins == 0 {
            return Err(ConfigError::key("bins", "expected at least one bin, found 0"));
        }
        if let Some(folds @ 0..=1) = self.cross_fit {
            return Err(ConfigError::key("cross_fit", format!("expected at least two folds, found {folds}")));
        }
        Ok(())
    }
}

/// `[validation]`: training images that are kept apart, for fitting calibrators and aggregators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// So many images of each class, but never the last one of a class.
    #[serde(default)]
    pub per_class: Option<usize>,
    /// This fraction of each class's images, rounded down.
    #[serde(default)]
    pub fraction: Option<f64>,
}

impl Validation {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match (self.per_class, self.fraction) {
            (Some(0), None) => {
                Err(ConfigError::key("per_class", "expected at least one image of each class, found 0"))
            }
            (Some(_), None) => Ok(()),
            (None, Some(f)) if f > 0.0 && f < 1.0 => Ok(()),
            (None, Some(f)) => {
                Err(ConfigError::key("fraction", format!("expected a fraction between 0 and 1, found {f}")))
            }
            (Some(_), Some(_)) => {
                Err(ConfigError::key("fraction", "expected either `per_class` or `fraction`, found both"))
            }
            (None, None) => Err(ConfigError::new("expected either `per_class` or `fraction`, found neither")),
        }
    }

    /// How many of a class's `images` are kept apart.
    pub fn held_out(&self, images: usize) -> usize {
        let wanted = match (self.per_class, self.fraction) {
            (Some(n), _) => n,
            (None, Some(fraction)) => (images as f64 * fraction) as usize,
            (None, None) => 0,
        };
        wanted.min(images.saturating_sub(1))
    }
}
