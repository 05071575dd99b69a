//! Which stream mixing weights are drawn from.

use balpoe_core::components::MixingStreams;
use balpoe_core::random::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where mixing weights come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MixingStream {
    /// Every seed draws its own weights.
    #[default]
    Own,
    /// All seeds draw the same weights, as the reference does on CIFAR, where building the data set re-seeds the generator
    /// that they come from. Partners and boxes still follow the seed.
    Shared,
}

impl MixingStream {
    /// A weight from Beta(alpha, alpha), and the stream for everything else of this batch.
    pub(super) fn draw(self, alpha: f64, streams: &MixingStreams) -> (f32, Stream) {
        let mut own = streams.own();
        let lambda = match self {
            Self::Own => own.beta(alpha, alpha),
            Self::Shared => streams.shared().beta(alpha, alpha),
        };
        (lambda as f32, own)
    }
}
