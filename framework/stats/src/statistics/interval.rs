//! Intervals and the level at which they are meant to hold.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A confidence level strictly between 0 and 1, such as 0.95.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Level(f64);

/// A confidence level outside (0, 1).
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("confidence level must lie strictly between 0 and 1 (such as 0.95), found {0}")]
pub struct LevelError(f64);

impl Level {
    /// 90 %.
    pub const P90: Self = Self(0.90);
    /// 95 %, the level of every table unless it says otherwise.
    pub const P95: Self = Self(0.95);
    /// 99 %.
    pub const P99: Self = Self(0.99);

    /// The level `value`, a probability (not a percentage).
    ///
    /// # Errors
    /// When `value` is not strictly between 0 and 1.
    pub fn new(value: f64) -> Result<Self, LevelError> {
        if value > 0.0 && value < 1.0 { Ok(Self(value)) } else { Err(LevelError(value)) }
    }

    /// The probability that an interval at this level is meant to cover.
    pub fn coverage(self) -> f64 {
        self.0
    }

    /// The probability left outside, both sides together: `1 - coverage`.
    pub fn alpha(self) -> f64 {
        1.0 - self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::P95
    }
}

impl TryFrom<f64> for Level {
    type Error = LevelError;

    fn try_from(value: f64) -> Result<Self, LevelError> {
        Self::new(value)
    }
}

impl From<Level> for f64 {
    fn from(level: Level) -> Self {
        level.0
    }
}

/// A closed interval, in the unit of the quantity that it brackets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// The interval `center ± half_width`.
    pub fn around(center: f64, half_width: f64) -> Self {
        Self { low: center - half_width, high: center + half_width }
    }

    /// Whether `value` lies inside, ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Half the width: the figure after a `±`.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }
}
