use crate::UnavailableInstructionSet;
use crate::cuda::Fault;
use thiserror::Error;

/// Why a network could not be planned or run. Texts complete "failed to run the network: …".
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum EngineError {
    /// An option of the executor is out of range.
    #[error("{option} is {found}; it must be {range}")]
    Option {
        /// The option.
        option: &'static str,
        /// What was given.
        found: usize,
        /// What is allowed, in words.
        range: &'static str,
    },
    /// The processor lacks the instruction set that was asked for.
    #[error(transparent)]
    InstructionSet(#[from] UnavailableInstructionSet),
    /// A slice has the wrong length.
    #[error("{what} has {found} values; it must have {expected}, {layout}")]
    Length {
        /// The slice.
        what: String,
        /// What was given.
        found: usize,
        /// What is needed.
        expected: usize,
        /// How the values are laid out, in words.
        layout: &'static str,
    },
    /// The batch is empty or larger than the memory plan allows.
    #[error("the batch has {found} images; the executor was planned for 1 to {max_batch}")]
    Batch {
        /// Images given.
        found: usize,
        /// Images planned for.
        max_batch: usize,
    },
    /// A batch does not divide into batch-norm groups.
    #[error(
        "a batch norm of {name} would see one value per channel, whose variance is undefined; train with more images or pixels"
    )]
    OneValuePerChannel {
        /// The batch norm's scope.
        name: String,
    },
    /// A backward pass needs a forward pass in training mode before it.
    #[error(
        "there is no forward pass in training mode to differentiate; call forward with Mode::Train first"
    )]
    NoForwardPass,
    /// A label is not a class.
    #[error("row {row} has label {label}; labels must be below the number of classes, {classes}")]
    Label {
        /// Row of the batch.
        row: usize,
        /// The label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// A task panicked on one of the pool's threads.
    #[error("a computation panicked: {message}; this is a defect of balpoe")]
    Panic {
        /// What it said.
        message: String,
    },
    /// A replica stopped because another one failed; what that one said is reported instead.
    #[error("another replica failed")]
    Replica,
    /// A step was to compute its loss and has none.
    #[error("there is no loss to train with; call set_loss first")]
    NoLoss,
    /// A step was given images as bytes, and nothing was said about what they are to the network.
    #[error(
        "bytes are given, and no normalisation of images of three channels; call set_normalisation first"
    )]
    NoNormalisation,
    /// A GPU failed, or its memory does not suffice.
    #[error(transparent)]
    Device(#[from] Fault),
    /// A thread could not be started.
    #[error("a thread could not be started: {reason}")]
    Thread {
        /// What the system said.
        reason: String,
    },
}
