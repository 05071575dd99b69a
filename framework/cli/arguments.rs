//! The command line.

use std::path::PathBuf;

use balpoe_core::config::Override;
use balpoe_lab::table::Format;
use clap::{Args, Parser, Subcommand};

/// Long-tailed image recognition: experiments with several calibrated experts, seeds and honest statistics.
#[derive(Debug, Parser)]
#[command(name = "balpoe", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train, evaluate and summarise an experiment; does only what is missing
    Experiment(RunArguments),
    /// Show an experiment as it resolves: every setting with its origin, the network, the cells
    Plan(PlanArguments),
    /// Validate experiment files without running them
    Check {
        /// Experiment files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// List the registered components
    List {
        /// Only this kind, such as `aggregator`
        kind: Option<String>,
    },
    /// Explain a component: settings, defaults, example, paper
    Describe {
        /// KIND/NAME, such as `mixing/mixup`
        component: String,
    },
    /// Look after data sets
    #[command(subcommand)]
    Data(DataCommand),
    /// Print the tables of an experiment from what the run store has, without training
    Table(TableArguments),
    /// What this machine offers, and what is missing
    Doctor {
        #[command(flatten)]
        data: DataRoot,
    },
    /// Measure the speed of this machine with the networks of the field
    #[command(subcommand)]
    Bench(BenchCommand),
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentArguments {
    /// Experiment file
    pub(crate) file: PathBuf,
    /// Change a setting, such as `train.epochs=2`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Remove a setting; may be repeated
    #[arg(long = "unset", value_name = "KEY")]
    unset: Vec<String>,
    /// Run these seeds instead of the experiment's
    #[arg(long, value_delimiter = ',', value_name = "SEED,…")]
    seeds: Vec<u64>,
}

impl ExperimentArguments {
    pub(crate) fn overrides(&self) -> Vec<Override> {
        let mut all: Vec<Override> = self.set.iter().cloned().map(Override::Set).collect();
        all.extend(self.unset.iter().cloned().map(Override::Unset));
        if !self.seeds.is_empty() {
            all.push(Override::Set(format!("seeds={:?}", self.seeds)));
        }
        all
    }
}

#[derive(Debug, Args)]
pub(crate) struct DataRoot {
    /// Folder of the data sets
    #[arg(id = "data", long, value_name = "DIR", env = "BALPOE_DATA", default_value = "data")]
    pub(crate) root: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct StoreRoot {
    /// Folder of the run store
    #[arg(id = "out", long, value_name = "DIR", default_value = "runs")]
    pub(crate) root: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    #[command(flatten)]
    pub(crate) data: DataRoot,
    #[command(flatten)]
    pub(crate) store: StoreRoot,
    /// `auto`, `cpu` or `cuda`
    #[arg(long, default_value = "auto")]
    pub(crate) device: String,
    /// Threads of the engine; all cores if not given. Results do not depend on it
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Threads that decode and augment images ahead
    #[arg(long, default_value_t = 1)]
    pub(crate) workers: usize,
    /// Seconds between checkpoints
    #[arg(long, default_value_t = 60.0, value_name = "SECONDS")]
    pub(crate) checkpoint_every: f64,
    /// How the tables are printed
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    #[command(flatten)]
    pub(crate) data: DataRoot,
    #[command(flatten)]
    pub(crate) store: StoreRoot,
}

#[derive(Debug, Args)]
pub(crate) struct TableArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    #[command(flatten)]
    pub(crate) data: DataRoot,
    #[command(flatten)]
    pub(crate) store: StoreRoot,
    /// text, markdown, latex, csv or json
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Download a data set from its home, with checksums; goes on where it was interrupted
    Fetch {
        /// Name of the data set, such as `cifar100`
        name: String,
        #[command(flatten)]
        data: DataRoot,
    },
    /// Check the files of a data set
    Verify {
        /// Name of the data set
        name: String,
        #[command(flatten)]
        data: DataRoot,
    },
    /// Show classes, counts and groups of a data set
    Show {
        /// Name of the data set
        name: String,
        /// Change a setting, such as `imbalance_ratio=50`; may be repeated
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
        #[command(flatten)]
        data: DataRoot,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Training step of the CIFAR ResNet-32 with experts
    Train(BenchArguments),
    /// Evaluation of the same network
    Eval(BenchArguments),
}

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Number of experts
    #[arg(long, default_value_t = 3)]
    pub(crate) experts: usize,
    /// Images in a batch
    #[arg(long, default_value_t = 128)]
    pub(crate) batch: usize,
    /// Threads; all cores if not given
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Repeats, after three to warm up
    #[arg(long, default_value_t = 10)]
    pub(crate) repeats: usize,
    /// Time every operation as well
    #[arg(long)]
    pub(crate) operations: bool,
    /// One JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
