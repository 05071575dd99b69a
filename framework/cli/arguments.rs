//! The command line.

mod bench;

use std::path::PathBuf;

use balpoe_core::config::Override;
use balpoe_engine::DeviceChoice;
use balpoe_lab::summary::Metric;
use balpoe_lab::table::Format;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::bench::{
    BenchArguments, BenchCommand, BenchInputArguments, BenchNetwork, BenchOpsArguments, CifarInputArguments,
    CifarRecipe, InputArguments, PhotoRecipe,
};

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
    /// Explain components: what they do, settings, defaults, example, paper
    Describe(DescribeArguments),
    /// Print the JSON schema of experiment files, for editors
    Schema,
    /// Look after data sets
    #[command(subcommand)]
    Data(DataCommand),
    /// Print the tables of an experiment from what the run store has, without training
    Table(TableArguments),
    /// Write one self-contained HTML page with the tables and plots of an experiment, without training
    Report(ReportArguments),
    /// Evaluate saved predictions again, or logits of models that were trained elsewhere
    Evaluate(EvaluateArguments),
    /// Compare the arms of an experiment with one of them: tests, effect sizes, seeds needed
    Compare(CompareArguments),
    /// Look after the run store: list, show, remove, export and import cells
    #[command(args_conflicts_with_subcommands = true)]
    Runs {
        #[command(subcommand)]
        command: Option<RunsCommand>,
        #[command(flatten)]
        store: StoreRoot,
    },
    /// Recompute a published table from its own figures, and list what cannot be right
    ///
    /// Exit code 0: nothing found; 1: something found; 2: the table cannot be read. Facts may also stand in a file beside the
    /// table, `results.audit.toml` for `results.tex`: `classes`, `samples`, and images by heading in `[distributions]`.
    Audit(AuditArguments),
    /// Begin something of your own
    #[command(subcommand)]
    New(NewCommand),
    /// Exchange weights with PyTorch: safetensors files under the reference's parameter names
    #[command(subcommand)]
    Weights(WeightsCommand),
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
    #[command(flatten)]
    changes: Changes,
}

impl ExperimentArguments {
    pub(crate) fn overrides(&self) -> Vec<Override> {
        self.changes.overrides()
    }
}

/// What is changed in an experiment.
#[derive(Debug, Args)]
pub(crate) struct Changes {
    /// Change a setting, such as `train.epochs=2`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Remove a setting; may be repeated
    #[arg(long = "unset", value_name = "KEY")]
    unset: Vec<String>,
    /// Run these seeds instead of the experiment's
    #[arg(long, value_delimiter = ',', value_name = "SEED,…")]
    pub(crate) seeds: Vec<u64>,
}

impl Changes {
    /// Of an experiment file.
    pub(crate) fn overrides(&self) -> Vec<Override> {
        let mut all = self.settings();
        if !self.seeds.is_empty() {
            all.push(Override::Set(format!("seeds={:?}", self.seeds)));
        }
        all
    }

    /// Of settings alone; whoever asks chooses the seeds.
    pub(crate) fn settings(&self) -> Vec<Override> {
        let mut all: Vec<Override> = self.set.iter().cloned().map(Override::Set).collect();
        all.extend(self.unset.iter().cloned().map(Override::Unset));
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
    /// `auto`, `cpu`, `cuda`, or GPUs by number, such as `cuda:0,1` or `cuda:0-3`
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Threads of the engine; all cores if not given. Results do not depend on it
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Replicas of the network that share every batch, on GPUs one each; results depend on it by rounding only
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) replicas: u64,
    /// Threads that decode and augment images ahead
    #[arg(long, default_value_t = 1)]
    pub(crate) workers: usize,
    /// Cells trained side by side; they share threads and GPUs. If not given, one, or on GPUs as many as these are enough for
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Seconds between checkpoints
    #[arg(long, default_value_t = 60.0, value_name = "SECONDS")]
    pub(crate) checkpoint_every: f64,
    /// Further logs of training, beside each cell's log.jsonl: csv, tensorboard, mlflow
    #[arg(
        long,
        value_name = "LOG,…",
        value_delimiter = ',',
        env = "BALPOE_LOG",
        hide_possible_values = true
    )]
    pub(crate) log: Vec<LogForm>,
    /// Address of the MLflow server
    #[arg(long, value_name = "URL", env = "MLFLOW_TRACKING_URI", default_value = "http://localhost:5000")]
    pub(crate) mlflow: String,
    /// How the tables are printed
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
    /// Only try the experiment out: a few steps of at most four images in every phase, with generated images where the data
    /// are absent, then evaluation and tables, in a temporary folder
    #[arg(long, conflicts_with = "out")]
    pub(crate) smoke: bool,
}

/// A form of the log of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// log.csv in the cell's folder
    Csv,
    /// Event files in the folder of the experiment
    Tensorboard,
    /// A run for each cell on an MLflow server
    Mlflow,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    #[command(flatten)]
    pub(crate) data: DataRoot,
    #[command(flatten)]
    pub(crate) store: StoreRoot,
    /// Run a few training steps of every arm, and tell from them how long it will take
    #[arg(long)]
    pub(crate) measure: bool,
    /// Threads that are measured with; all cores if not given
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// `cuda` plans for GPUs as well; none is needed
    #[arg(long, default_value = "cpu")]
    pub(crate) device: DeviceChoice,
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

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    #[command(flatten)]
    pub(crate) data: DataRoot,
    #[command(flatten)]
    pub(crate) store: StoreRoot,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateArguments {
    /// Runs of the store (experiments or cells), or files with logits (.npy, .npz, .safetensors, .f32): one an expert, or
    /// one [experts, samples, classes]
    #[arg(required = true, value_name = "RUN|FILE")]
    pub(crate) targets: Vec<String>,
    /// Change what is done with predictions, such as `aggregator.kind=product-of-experts`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Test class distributions, such as `uniform,forward50,backward50`
    #[arg(long = "distribution", value_delimiter = ',', value_name = "NAME,…")]
    pub(crate) distributions: Vec<String>,
    /// Fit calibrators and aggregator on so many folds of the scored samples, each scored by the fit on the others
    #[arg(long, value_name = "K")]
    pub(crate) folds: Option<usize>,
    /// `all` adds a table of every calibration metric
    #[arg(long, default_value = "main", value_parser = ["main", "all"])]
    pub(crate) metrics: String,
    /// text, markdown, latex, csv or json
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) foreign: ForeignArguments,
    #[command(flatten)]
    pub(crate) data: DataRoot,
    #[command(flatten)]
    pub(crate) store: StoreRoot,
}

/// What files say nothing about.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files of models that were trained elsewhere")]
pub(crate) struct ForeignArguments {
    /// Labels (.u8, .u32, .npy, .txt, …); not needed if a file has an array `labels`
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    /// Number of classes, for plain numbers such as .f32
    #[arg(long, value_name = "N")]
    pub(crate) classes: Option<usize>,
    /// Training images of each class, for shot groups, priors and shifted distributions: a file, or numbers
    #[arg(long, value_name = "FILE|N,…")]
    pub(crate) class_counts: Option<String>,
    /// The files have probabilities, not logits
    #[arg(long)]
    pub(crate) probabilities: bool,
    /// What the tables call these predictions
    #[arg(long, default_value = "predictions", value_name = "NAME")]
    pub(crate) name: String,
    /// Fit calibrators and aggregator on these other samples
    #[arg(long, value_name = "FILE", requires = "assert_held_out", conflicts_with_all = ["folds", "oracle"])]
    pub(crate) fit_on: Vec<PathBuf>,
    /// Labels of the samples to fit on
    #[arg(long, value_name = "FILE", requires = "fit_on")]
    pub(crate) fit_labels: Option<PathBuf>,
    /// The samples to fit on were not trained on and are not scored; nothing can check it
    #[arg(long, requires = "fit_on")]
    pub(crate) assert_held_out: bool,
    /// Fit on the scored samples themselves: an upper bound, called so in the table
    #[arg(long, conflicts_with = "folds")]
    pub(crate) oracle: bool,
    /// Threads; all cores if not given
    #[arg(long)]
    pub(crate) threads: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// Experiment file (.toml), or runs of the store: names of experiments, or cells
    #[arg(required = true, value_name = "FILE|RUN")]
    pub(crate) targets: Vec<String>,
    #[command(flatten)]
    pub(crate) changes: Changes,
    /// The arm that the others are compared with; the experiment's own baseline if not given
    #[arg(long, value_name = "ARM")]
    pub(crate) baseline: Option<String>,
    /// Metrics, such as `accuracy,few,ece`; all if not given
    #[arg(long = "metric", value_delimiter = ',', value_name = "METRIC,…")]
    pub(crate) metrics: Vec<Metric>,
    /// Test class distribution
    #[arg(long, default_value = "uniform", value_name = "NAME")]
    pub(crate) distribution: String,
    /// Leave the comparison over images out, which reads all predictions
    #[arg(long)]
    pub(crate) no_images: bool,
    #[command(flatten)]
    pub(crate) data: DataRoot,
    #[command(flatten)]
    pub(crate) store: StoreRoot,
    /// text, markdown, latex, csv or json
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    /// LaTeX, Markdown or CSV file
    pub(crate) file: PathBuf,
    /// Number of classes with many, a medium number of, and few training images, where the table does not say
    #[arg(long, value_delimiter = ',', value_name = "MANY,MEDIUM,FEW")]
    pub(crate) classes: Vec<u32>,
    /// Images in the balanced test set, where the table does not give it away
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<u64>,
    /// How the findings are printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ReportFormat,
}

/// A way to print findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    /// KIND/NAME, such as `mixing/mixup`, or KIND for all of a kind
    #[arg(required_unless_present = "all")]
    pub(crate) component: Option<String>,
    /// All components
    #[arg(long, conflicts_with = "component")]
    pub(crate) all: bool,
    /// How the description is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: DescriptionFormat,
}

/// A way to print descriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DescriptionFormat {
    /// For the terminal.
    Text,
    /// For documents; a chapter of the book is made so.
    Markdown,
    /// For programs.
    Json,
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
    /// Check the files of a data set; for lists of images, decode every one
    Verify {
        /// Name of the data set, or a file with a [dataset]
        name: String,
        /// Change a setting; may be repeated
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
        #[command(flatten)]
        data: DataRoot,
    },
    /// Show classes, counts and groups of a data set
    Show {
        /// Name of the data set, or a file with a [dataset]
        name: String,
        /// Change a setting, such as `imbalance_ratio=50`; may be repeated
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
        #[command(flatten)]
        data: DataRoot,
    },
    /// Decode all images of a data set once, into files that are read faster; results stay the same
    Pack {
        /// Name of the data set, or a file with a [dataset]
        name: String,
        /// Change a setting, such as `reduce=256`; may be repeated
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
        #[command(flatten)]
        data: DataRoot,
    },
    /// Make the lists of a data set from the annotations that its authors publish
    Import {
        /// Which data set
        #[arg(value_enum)]
        layout: AnnotationLayout,
        /// Annotations of the training images, `train2018.json`
        train: PathBuf,
        /// Annotations of the test images, `val2018.json`
        test: PathBuf,
        #[command(flatten)]
        data: DataRoot,
    },
}

/// Annotations that lists are made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnnotationLayout {
    /// iNaturalist 2018; the lists go to `iNaturalist18/` in the data root.
    Inaturalist2018,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NewCommand {
    /// Make a crate with a component in this folder: it compiles, passes its tests and runs as it is made
    Plugin(NewPluginArguments),
}

#[derive(Debug, Args)]
pub(crate) struct NewPluginArguments {
    /// Name of the crate and of the component, such as `my-calibrator`
    pub(crate) name: String,
    /// Kind of the component, such as `calibrator`; `balpoe list` shows all kinds
    #[arg(long)]
    pub(crate) kind: String,
    /// The balpoe to build on: a checkout, or a published version; if not given, the checkout that this program was built
    /// from, where there is one
    #[arg(long, value_name = "PATH|VERSION")]
    pub(crate) framework: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List all cells: what they are, how far they are, what they keep
    List {
        #[command(flatten)]
        store: StoreRoot,
    },
    /// Show cells in words: settings, figures, files
    Show {
        #[command(flatten)]
        cells: CellArguments,
    },
    /// Remove cells with all their results
    Remove {
        #[command(flatten)]
        cells: CellArguments,
        /// Remove them; without it, only say what would be removed
        #[arg(long)]
        yes: bool,
    },
    /// Write finished cells to archives that another store imports: one file a cell
    Export {
        #[command(flatten)]
        cells: CellArguments,
        /// An archive (.zip), or a folder for several
        #[arg(long, value_name = "PATH")]
        to: PathBuf,
        /// Also export all logits, for other aggregators and calibrators, or the trained network
        #[arg(long, value_name = "WHAT,…", value_delimiter = ',')]
        with: Vec<ExportPart>,
        #[command(flatten)]
        data: DataRoot,
    },
    /// Import archives; everything in them is checked first, and no result is overwritten
    Import {
        /// Archives, or folders with archives
        #[arg(required = true, value_name = "PATH")]
        archives: Vec<PathBuf>,
        #[command(flatten)]
        store: StoreRoot,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CellArguments {
    /// Cells: the beginning of a key, ARM/SEED, EXPERIMENT/ARM/SEED, or an EXPERIMENT with all its cells
    #[arg(required = true, value_name = "CELL")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) store: StoreRoot,
}

/// What an archive may have beyond what tables need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportPart {
    /// All logits.
    Predictions,
    /// The trained network.
    Weights,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WeightsCommand {
    /// Write the weights of a finished cell, or of a file, under other names
    Export {
        /// A finished cell (the beginning of its key), or a safetensors file
        #[arg(value_name = "CELL|FILE")]
        source: String,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// `pytorch`: `backbone.layer1.0.conv1.weight`, with counters of batches; `plain`: as in the run store
        #[arg(long, value_enum, default_value = "pytorch")]
        names: Names,
        #[command(flatten)]
        store: StoreRoot,
    },
    /// Make a finished cell of weights that were trained elsewhere: check them, predict the test images, evaluate
    Import(ImportArguments),
}

/// How tensors are called in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Names {
    /// As in the state of the reference's model.
    Pytorch,
    /// As here.
    Plain,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// A safetensors file with the state of the reference's model, or weights of a cell
    #[arg(value_name = "FILE")]
    pub(crate) weights: PathBuf,
    /// The experiment whose data, network and evaluation the weights are for
    #[arg(long, value_name = "FILE")]
    pub(crate) experiment: PathBuf,
    /// Which arm of it
    #[arg(long, value_name = "ARM")]
    pub(crate) arm: Option<String>,
    /// The seed that the weights were trained with, for the table; the experiment's first if not given
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Change a setting, such as `backbone.experts=1`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Threads; all cores if not given
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// text, markdown, latex, csv or json
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) data: DataRoot,
    #[command(flatten)]
    pub(crate) store: StoreRoot,
}
