//! The laboratory: trains the cells of an experiment, keeps them, evaluates them, and puts them into tables.
//!
//! [`run()`] does what is missing of an experiment and tells about it through [`Event`]s; [`Store`] keeps what was done;
//! [`summary`] makes tables with honest statistics of it; [`table`] renders them.

mod all_metrics;
pub mod audit;
mod bench;
mod bridge;
mod cell;
mod checkpoint;
pub mod comparison;
mod data_record;
mod diversity;
mod error;
mod estimate;
mod evaluate;
mod event;
mod executor;
mod figures;
mod files;
mod finished;
pub mod foreign;
mod gpu_estimate;
mod image_outcomes;
mod initialise;
mod log;
mod machine_gpus;
mod markup;
mod network;
mod parts;
pub mod plot;
mod post_hoc;
mod prepared;
mod processed;
mod readme;
mod report;
mod resources;
mod results;
mod run;
pub mod runs;
mod scores;
mod settings_text;
mod side_by_side;
mod slots;
mod smoke;
mod split;
mod store;
mod stored;
pub mod summary;
mod sweep;
pub mod table;
mod tensors;
mod trainer;
mod weights;

pub use bench::{
    BenchInputOptions, BenchOptions, BenchResult, OperationSpeed, Operations, Work, bench, bench_input,
    bench_operations,
};
pub use cell::RunOptions;
pub use error::{FailureClass, LabError};
pub use estimate::{Estimate, StepTime};
pub use event::{CellName, Event, Observer, Step};
pub use executor::{Executor, engine_precision};
pub use finished::calibration_tables;
pub use gpu_estimate::gpu_table;
pub use log::{LogOptions, MlflowServer};
pub use machine_gpus::MachineGpus;
pub use network::{HeadPlace, Heads, Network};
pub use prepared::{PreparedArm, Protocol};
pub use report::write_report;
pub use resources::{Devices, Gpus, Resources};
pub use results::{published_rows, summarise, write_tables};
pub use run::{ArmOutcome, CellOutcome, collect, run};
pub use smoke::miniature;
pub use store::{CellFolder, CellManifest, Store};
pub use stored::{StoredExperiment, stored_cell, stored_experiment};
pub use sweep::deciding_metric;
pub use trainer::{StepResult, Trainer};
pub use weights::{WeightFile, WeightNames, export_weights, import_weights};
