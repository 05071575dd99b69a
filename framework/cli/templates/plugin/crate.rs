//! Components for `balpoe`, registered by linking this crate.

mod my_plugin;

pub use my_plugin::MyPlugin;
