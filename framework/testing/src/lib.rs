//! Tests that authors of components get for one line each.
//!
//! * [`assert_everything_complies`] runs the compliance suite over everything that is registered in the test binary;
//! * [`gradient_gap`] compares a gradient with differences of values;
//! * [`WithinTolerance`] lets `insta` snapshots of tables differ in their last digits.
//!
//! A plugin's whole compliance test:
//!
//! ```no_run
//! // In tests/compliance.rs of the plugin's crate, with `use my_plugin as _;` at its top:
//! balpoe_testing::assert_everything_complies();
//! ```

pub mod compliance;
mod generated;
mod gradient;
mod snapshot;

pub use compliance::assert_everything_complies;
pub use gradient::gradient_gap;
pub use snapshot::WithinTolerance;
