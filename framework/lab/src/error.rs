//! What can go wrong, by class: the class decides the program's exit code.

use std::path::{Path, PathBuf};

use balpoe_core::components::DataError;
use balpoe_core::config::ConfigError;
use balpoe_engine::cuda::Fault;
use balpoe_engine::{DeviceError, EngineError};
use balpoe_net::NetError;

/// A failure of the laboratory.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The experiment file does not fit.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The data cannot be had.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network cannot be described.
    #[error("cannot describe the network: {0}")]
    Net(#[from] NetError),
    /// The engine refuses.
    #[error(transparent)]
    Engine(EngineError),
    /// A GPU fails, or has too little memory.
    #[error("{0}; {remedy}", remedy = remedy(.0))]
    Fault(#[from] Fault),
    /// The device that was asked for cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A file of the run store cannot be written or read.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Files {
        /// What was tried: `write`, `read`, `create the folder`.
        action: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A stored file is not what it should be.
    #[error("{}: {message}", path.display())]
    Damaged {
        /// Which file or folder.
        path: PathBuf,
        /// What was expected, what was found, and what to do.
        message: String,
    },
    /// The loss stopped being a number.
    #[error(
        "training diverged: the loss is {loss} in epoch {epoch}, batch {batch}; try a smaller learning rate or a longer warm-up"
    )]
    Diverged {
        /// The epoch, from one.
        epoch: usize,
        /// The batch, from one.
        batch: usize,
        /// What the loss was.
        loss: f64,
    },
    /// A plugin failed or panicked.
    #[error("{component} failed: {message}")]
    Component {
        /// Kind and name.
        component: String,
        /// What it said.
        message: String,
    },
    /// Another process works on the cell.
    #[error("another process trains the cell in `{}`; wait for it, or run with another --out", path.display())]
    Busy {
        /// The cell's folder.
        path: PathBuf,
    },
    /// An imported cell came without its predictions.
    #[error(
        "no file `{}`: the cell was imported without its predictions, which this evaluation needs; import it from an archive made by `balpoe runs export … --with predictions`, or remove the cell and train it here",
        path.display()
    )]
    NotKept {
        /// The file that is not there.
        path: PathBuf,
    },
    /// A cell was never finished.
    #[error("not run yet")]
    NotRun,
    /// An arm's sweep has nothing to choose from.
    #[error("no setting of its sweep finished")]
    Untuned,
    /// Published results cannot be shown.
    #[error("cannot show published results: {0}")]
    Reference(String),
    /// The user asked to stop; the state is saved.
    #[error("interrupted; the state is saved, and the same command goes on from there")]
    Interrupted,
}

impl From<EngineError> for LabError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Device(fault) => Self::Fault(fault),
            error => Self::Engine(error),
        }
    }
}

/// What to do about a fault.
fn remedy(fault: &Fault) -> &'static str {
    match fault {
        Fault::Memory { .. } => {
            "fewer --jobs on this GPU, more GPUs as --replicas, or a smaller `train.batch_size` need less"
        }
        _ => "the same command goes on from the cell's last checkpoint",
    }
}

/// Classes of failures, with the program's exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The command line, the experiment file or the output folder.
    Usage = 2,
    /// Data sets and stored files.
    Data = 3,
    /// Devices.
    Device = 4,
    /// A run failed.
    Training = 5,
    /// The user stopped it.
    Interrupted = 130,
}

impl LabError {
    /// The class of this failure.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Config(_) | Self::Net(_) | Self::Reference(_) | Self::NotRun => FailureClass::Usage,
            Self::Files { action, .. } if *action == CREATE => FailureClass::Usage,
            Self::Data(_) | Self::Damaged { .. } | Self::NotKept { .. } => FailureClass::Data,
            Self::Device(_) => FailureClass::Device,
            Self::Engine(_)
            | Self::Fault(_)
            | Self::Files { .. }
            | Self::Busy { .. }
            | Self::Untuned
            | Self::Diverged { .. }
            | Self::Component { .. } => FailureClass::Training,
            Self::Interrupted => FailureClass::Interrupted,
        }
    }

    /// Adds a path to an input/output error.
    pub(crate) fn files(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Files { action, path, source }
    }

    pub(crate) fn damaged(path: &Path, message: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), message: message.into() }
    }
}

/// The action of [`LabError::Files`] when an output folder cannot be made.
pub(crate) const CREATE: &str = "create the folder";
