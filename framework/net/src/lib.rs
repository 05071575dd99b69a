//! Describes a convolutional network with experts, independent of any device.
//!
//! A backbone builds its network once with [`NetBuilder`], a few readable lines a block; the engine then plans and runs
//! the same [`Net`] on every device. A description holds operations, shapes, parameters with their initial
//! distributions, and batch-norm buffers, but no numbers: filling parameters is the trainer's task, from its own random
//! streams.
//!
//! ```
//! use balpoe_net::{BatchNorm, Conv, NetBuilder, Shape};
//!
//! # fn main() -> Result<(), balpoe_net::NetError> {
//! let mut net = NetBuilder::new(Shape::new(32, 32, 3));
//! let image = net.input();
//! let x = net.conv(image, "conv1", Conv::new(16, 3).padding(1))?;
//! let x = net.batch_norm(x, "bn1", BatchNorm::new())?;
//! let x = net.relu(x)?;
//! let features = net.global_average_pool(x)?;
//! let logits = net.cosine_linear(features, "linear", 100, 30.0)?;
//! net.output("features", features)?;
//! net.output("logits", logits)?;
//! let net = net.finish()?;
//! assert_eq!(net.parameter_count(), 3 * 16 * 9 + 2 * 16 + 16 * 100);
//! # Ok(())
//! # }
//! ```

mod blend;
mod builder;
mod error;
mod init;
mod loss;
mod net;
mod op;
mod pixel_map;
mod sgd;
mod shape;
mod summary;

pub use blend::Blend;
pub use builder::NetBuilder;
pub use error::NetError;
pub use init::{Fan, Init, WeightInit};
pub use loss::LogitAdjustedCrossEntropy;
pub use net::{Buffer, BufferId, Net, Node, NodeId, Output, Parameter, ParameterId};
pub use op::{Activation, BatchNorm, Conv, Op, Window};
pub use pixel_map::PixelMap;
pub use sgd::Sgd;
pub use shape::Shape;
