//! An experiment file, resolved: arms with their components, cells, and the keys that say what is already done.

mod arm;
mod file;
mod key;
mod post_hoc;
mod resolved;
mod schema;
mod settings;

pub use arm::{Arm, FittedCalibrator, Stage};
pub use file::{Experiment, OnFailure, Reference};
pub use key::{FORMAT, Key};
pub use post_hoc::PostHoc;
pub use resolved::{ResolvedSection, ResolvedSetting};
pub use schema::schema;
pub use settings::{BatchNormGroup, Evaluate, Lowering, Train, Validation};
