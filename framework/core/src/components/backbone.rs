//! Backbones: networks described with the builder of `balpoe-net`.

use std::fmt::Debug;
use std::path::Path;

use balpoe_net::{NetBuilder, NetError, NodeId};

/// Which network turns an image into one feature vector per expert.
///
/// A backbone only describes: the same description runs on every device.
pub trait Backbone: Debug + Send + Sync {
    /// The number of experts.
    fn experts(&self) -> usize;

    /// Adds the network to the builder, from its input to one feature vector (height and width one) per expert.
    ///
    /// # Errors
    /// If the shapes do not fit, such as an image that is too small.
    fn describe(&self, net: &mut NetBuilder) -> Result<Vec<NodeId>, NetError>;

    /// A safetensors file whose tensors the network starts from, where there is one.
    ///
    /// Every parameter and buffer that [`describe`](Self::describe) names is looked for under its own name, and without the
    /// expert's number: `layer3s.2.0.conv1.weight` starts as the file's `layer3.0.conv1.weight`. The content of the file, not its
    /// path, is part of a cell's key, so that the setting which names it is to be kept out by `#[schemars(extend("whereabouts" = true))]`.
    fn pretrained(&self) -> Option<&Path> {
        None
    }
}
