//! The whole program from outside, as a user runs it.
//!
//! Outputs are kept as transcripts in `snapshots/`; after a deliberate change, look at the new ones and accept them
//! (`INSTA_UPDATE=always cargo test --test program`, or `cargo insta review`).

mod bench;
mod book;
mod broken;
mod compare;
mod epoch;
mod evaluate;
mod experiments;
mod help;
mod images;
mod jobs;
mod logs;
mod new_plugin;
mod phases;
mod resume;
mod runs;
mod sandbox;
mod smoke;
mod sweeps;
mod weights;
mod wrong_inputs;
