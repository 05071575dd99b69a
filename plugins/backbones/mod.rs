//! Networks with experts.

mod cifar_resnet;
mod experts;
mod resnet;

pub use cifar_resnet::{CifarResNet, ResNet20, ResNet32, ResNet44, ResNet56, Shortcut};
pub use resnet::{
    ResNeXt50, ResNeXt101, ResNeXt152, ResNet, ResNet10, ResNet34, ResNet50, ResNet101, ResNet152, Stem,
};
