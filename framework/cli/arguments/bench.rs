//! What `balpoe bench` is told.

use std::path::PathBuf;

use balpoe_engine::DeviceChoice;
use clap::{Args, Subcommand, ValueEnum};

use super::DataRoot;

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Training step of a network with experts
    Train(BenchArguments),
    /// Evaluation of the same networks
    Eval(BenchArguments),
    /// Convolutions and products of ResNet-32 one by one, and the loss at 8,142 classes, on one thread: how far from the floor each is
    Ops(BenchOpsArguments),
    /// Input of photographs: reading, decoding, augmenting, normalising
    Input(InputArguments),
    /// Input of CIFAR-100-LT
    CifarInput(CifarInputArguments),
}

#[derive(Debug, Args)]
pub(crate) struct BenchOpsArguments {
    /// Number of experts
    #[arg(long, default_value_t = 3)]
    pub(crate) experts: usize,
    /// Images in a batch
    #[arg(long, default_value_t = 128)]
    pub(crate) batch: usize,
    /// One JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InputArguments {
    /// List of images, a line "path label" each
    #[arg(long, value_name = "FILE")]
    pub(crate) list: PathBuf,
    /// Folder where the paths of the list begin
    #[arg(long, value_name = "DIR")]
    pub(crate) root: PathBuf,
    /// Augmentation
    #[arg(long, value_enum, default_value = "standard")]
    pub(crate) augment: PhotoRecipe,
    /// Let the decoder leave out detail that crops do not need
    #[arg(long)]
    pub(crate) scaled_decoding: bool,
    /// Reduce larger images to this shorter side first
    #[arg(long, value_name = "PIXELS")]
    pub(crate) reduce: Option<usize>,
    /// Folder that holds `packs/` of these images, if they were packed
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub(crate) packs: PathBuf,
    #[command(flatten)]
    pub(crate) shared: BenchInputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CifarInputArguments {
    /// Augmentation
    #[arg(long, value_enum, default_value = "standard")]
    pub(crate) augment: CifarRecipe,
    #[command(flatten)]
    pub(crate) data: DataRoot,
    #[command(flatten)]
    pub(crate) shared: BenchInputArguments,
}

/// How an input is measured.
#[derive(Debug, Args)]
pub(crate) struct BenchInputArguments {
    /// Threads that work ahead; 0: batches are made where they are asked for
    #[arg(long, default_value_t = 1)]
    pub(crate) workers: usize,
    /// Passes over the list that count as one repeat
    #[arg(long, default_value_t = 1)]
    pub(crate) times: usize,
    /// Repeats, after one to warm up
    #[arg(long, default_value_t = 5)]
    pub(crate) repeats: usize,
    /// One JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// A network of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchNetwork {
    /// Of CIFAR-100-LT.
    Resnet32,
    /// Of ImageNet-LT.
    Resnet50,
}

impl BenchNetwork {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Resnet32 => "resnet32",
            Self::Resnet50 => "resnet50",
        }
    }
}

/// Augmentation of photographs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PhotoRecipe {
    /// Random resized crop and flip.
    None,
    /// And colour jitter.
    Standard,
    /// And RandAugment.
    Randaugment,
}

impl PhotoRecipe {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Standard => "standard",
            Self::Randaugment => "randaugment",
        }
    }
}

/// Augmentation of CIFAR images, after crop and flip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CifarRecipe {
    /// Rotation.
    Standard,
    /// AutoAugment.
    Autoaugment,
}

impl CifarRecipe {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Autoaugment => "autoaugment",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// `resnet32` for images of 32x32 and 100 classes, or `resnet50` for 224x224 and 1000
    #[arg(long, value_enum, default_value = "resnet32", hide_possible_values = true)]
    pub(crate) network: BenchNetwork,
    /// Number of experts
    #[arg(long, default_value_t = 3)]
    pub(crate) experts: usize,
    /// Images in a batch; as published if not given, 128 for ResNet-32 and 64 for ResNet-50
    #[arg(long)]
    pub(crate) batch: Option<usize>,
    /// `auto`, `cpu`, `cuda`, or GPUs by number, which share every batch
    #[arg(long, default_value = "cpu")]
    pub(crate) device: DeviceChoice,
    /// How GPUs compute: f32, tf32 or bf16
    #[arg(long, default_value = "bf16", value_parser = ["f32", "tf32", "bf16"], hide_possible_values = true)]
    pub(crate) precision: String,
    /// Threads; all cores if not given
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Repeats, after three to warm up
    #[arg(long, default_value_t = 10)]
    pub(crate) repeats: usize,
    /// Time every operation as well, on the processor
    #[arg(long)]
    pub(crate) operations: bool,
    /// One JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
