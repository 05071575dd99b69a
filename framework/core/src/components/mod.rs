//! The kinds of components: one trait a file, with the data that passes through it.

mod aggregator;
mod augmentation;
mod backbone;
mod calibrator;
mod dataset;
mod error;
mod head;
mod image;
mod mixing;
mod objective;
mod optimizer;
mod predictions;
mod sampler;
mod schedule;

pub use aggregator::{Aggregation, Aggregator, Knowledge, LinearPool};
pub use augmentation::{Augmentation, Cropping, Moving};
pub use backbone::Backbone;
pub use calibrator::{Calibration, Calibrator};
pub use dataset::{Data, DataError, Dataset, FileReport, FileState, Outline, Place, Progress, Split};
pub use error::ComponentError;
pub use head::{ExpertHead, HeadParameter};
pub use image::{ChooseWindow, Image, Images, Window};
pub use mixing::{Batch, Blending, Mixing, MixingStreams, Targets};
pub use objective::{ExpertOutput, LossInput, Objective, Trainees, TrainingLoss};
pub use optimizer::{Optimizer, Update};
pub use predictions::{HeldOut, LogitMatrix, NotHeldOut, Predictions, Protocol, SampleId, SampleSplit};
pub use sampler::Sampler;
pub use schedule::{Position, Schedule};
