//! `balpoe`: a plugin-based research framework for long-tailed image recognition.
//!
//! This crate is the facade: it links the built-in components and re-exports the crates that they and yours are made of. A program
//! with plugins of your own is three lines:
//!
//! ```no_run
//! // use my_plugins as _;       // links the components that the crate registers
//! fn main() -> std::process::ExitCode {
//!     balpoe::program()
//! }
//! ```

// The linker drops a crate that nothing names, and its registrations with it.
use balpoe_plugins as _;

pub use balpoe_core as core;
pub use balpoe_data as data;
pub use balpoe_engine as engine;
pub use balpoe_lab as lab;
pub use balpoe_net as net;
pub use balpoe_stats as stats;

mod arguments;
mod commands;
mod diagnostics;
mod progress;
mod terminal;

pub use commands::program;
