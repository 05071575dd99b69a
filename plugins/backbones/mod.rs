//! Networks with experts.

mod cifar_resnet;

pub use cifar_resnet::{CifarResNet, ResNet20, ResNet32, ResNet44, ResNet56, Shortcut};
