//! How exactly a GPU computes.

use super::Storage;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Formats of feature maps and of what convolutions and products multiply. Master weights, gradients of parameters,
/// statistics, heads' logits and losses are `f32` in each of them, sums over many values `f64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// `f32` throughout, as on the processor.
    F32,
    /// Feature maps in `f32`; factors of products are rounded to ten bits after the point (NVIDIA's TensorFloat-32).
    Tf32,
    /// Feature maps in bfloat16, with seven bits after the point; products of heads in TensorFloat-32.
    Bf16,
}

impl Precision {
    /// All, the most exact first.
    pub const ALL: [Self; 3] = [Self::F32, Self::Tf32, Self::Bf16];

    /// How feature maps are stored.
    pub fn storage(self) -> Storage {
        match self {
            Self::F32 | Self::Tf32 => Storage::F32,
            Self::Bf16 => Storage::Bf16,
        }
    }

    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no precision.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("expected f32, tf32 or bf16, found `{0}`")]
pub struct NotAPrecision(String);

impl FromStr for Precision {
    type Err = NotAPrecision;

    fn from_str(text: &str) -> Result<Self, NotAPrecision> {
        let named = Self::ALL.into_iter().find(|precision| precision.name() == text);
        named.ok_or_else(|| NotAPrecision(text.to_owned()))
    }
}
