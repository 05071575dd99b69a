//! An experiment file, resolved: arms with their components, cells, and the keys that say what is already done.

mod arm;
mod calibrator;
mod file;
mod key;
mod phase;
mod post_hoc;
mod recipe;
mod resolved;
mod schema;
mod sections;
mod settings;
mod sweep;

pub use arm::{Arm, Tried, Tuned};
pub use calibrator::{FittedCalibrator, Stage};
pub use file::{Experiment, OnFailure, Reference};
pub use key::{FORMAT, Key};
pub use phase::Phase;
pub use post_hoc::PostHoc;
pub use recipe::Recipe;
pub use resolved::{ResolvedSection, ResolvedSetting};
pub use schema::schema;
pub use settings::{BatchNormGroup, Evaluate, Lowering, Precision, Train, Validation};
pub use sweep::{SelectOn, Sweep, Trial};
