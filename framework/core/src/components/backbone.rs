//! Backbones: networks described with the builder of `balpoe-net`.

use std::fmt::Debug;

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
}
