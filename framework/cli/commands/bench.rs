//! `balpoe bench`: speed of the training step, of evaluation, and of single operations.

use std::fmt::Write as _;
use std::process::ExitCode;

use balpoe_core::config::{Override, Sources};
use balpoe_core::experiment::Experiment;
use balpoe_engine::DeviceChoice;
use balpoe_lab::{BenchOptions, BenchResult, Work, bench, engine_precision};
use serde_json::json;

use super::devices::ChosenDevices;
use super::experiment::available_threads;
use super::{bench_input, bench_operations};
use crate::arguments::{BenchArguments, BenchCommand};
use crate::diagnostics::Failure;
use crate::terminal;

/// The reference's CIFAR-100-LT network and step.
const EXPERIMENT: &str = r#"
dataset = { kind = "cifar100" }
backbone = { kind = "resnet32", experts = 3 }
head = { kind = "cosine", scale = 30.0 }
objective = { kind = "balanced-experts", tau = { limits = [0.0, 2.0] } }
mixing = [{ kind = "mixup", alpha = 0.4 }]
optimizer = { kind = "sgd" }
schedule = { kind = "constant" }
train = { epochs = 1 }
"#;

pub(super) fn run(command: &BenchCommand) -> Result<ExitCode, Failure> {
    let (name, work, arguments) = match command {
        BenchCommand::Train(arguments) => ("train", Work::Train, arguments),
        BenchCommand::Eval(arguments) => ("eval", Work::Evaluate, arguments),
        BenchCommand::Ops(arguments) => return bench_operations::run(arguments),
        BenchCommand::Input(arguments) => return bench_input::photographs(arguments),
        BenchCommand::CifarInput(arguments) => return bench_input::cifar(arguments),
    };
    let mut sources = Sources::default();
    let precision = Override::Set(format!("train.precision={}", arguments.precision));
    let experiment = experiment(arguments.experts, arguments.batch, vec![precision], &mut sources)?;
    // All that are named share every batch.
    let replicas = if let DeviceChoice::Cuda(named) = &arguments.device { named.len() } else { 1 };
    let devices = ChosenDevices::new(&arguments.device, replicas, &experiment)?;
    if arguments.operations && devices.gpus() > 0 {
        return Err(Failure::usage(
            "single operations are timed on the processor only; leave out --operations",
        ));
    }
    let threads = arguments.threads.unwrap_or_else(available_threads).max(1);
    let repeats = arguments.repeats.max(1);
    let resources = devices.resources(threads, devices.gpus().max(1));
    let options = BenchOptions { work, resources, warm_up: 3, repeats, operations: arguments.operations };
    let counts = class_counts();
    let mut device = String::new();
    let mut measured = None;
    for arm in &experiment.arms {
        device = resources.describe(engine_precision(arm.train.precision));
        measured =
            Some(bench(arm, (32, 32), &counts, options).map_err(|error| Failure::with(error, &sources))?);
    }
    if let Some(result) = measured {
        terminal::print(&report(name, &result, arguments, &device));
    }
    Ok(ExitCode::SUCCESS)
}

/// The reference's network with so many experts and images in a batch, and other changes.
pub(super) fn experiment(
    experts: usize,
    batch: usize,
    mut overrides: Vec<Override>,
    sources: &mut Sources,
) -> Result<Experiment, Failure> {
    overrides.push(Override::Set(format!("backbone.experts={experts}")));
    overrides.push(Override::Set(format!("train.batch_size={batch}")));
    Experiment::parse("bench", EXPERIMENT, &overrides, sources).map_err(|error| Failure::with(error, sources))
}

/// Training images of CIFAR-100-LT at imbalance ratio 100.
pub(super) fn class_counts() -> Vec<usize> {
    (0..100).map(|c| (500.0 * 0.01_f64.powf(f64::from(c) / 99.0)) as usize).collect()
}

fn report(name: &str, result: &BenchResult, arguments: &BenchArguments, device: &str) -> String {
    let Rates { median, best } = rates(result);
    let memory = peak_memory_mib();
    let operations: Vec<_> = result
        .operations
        .iter()
        .map(|op| {
            json!({
                "name": op.name,
                "kernel": op.kernel,
                "ms": op.best * 1e3,
                "gflop_per_s": 2.0 * op.multiply_adds as f64 / op.best.max(1e-12) / 1e9,
                "gbyte_per_s": op.bytes as f64 / op.best.max(1e-12) / 1e9,
            })
        })
        .collect();
    if arguments.json {
        let mut report = json!({
            "name": name,
            "images_per_s_median": (median * 10.0).round() / 10.0,
            "images_per_s_best": (best * 10.0).round() / 10.0,
            "repeats": result.seconds.len(),
            "peak_rss_mib": memory,
            "experts": arguments.experts,
            "batch": result.images,
            "device": device,
        });
        if !operations.is_empty() {
            report["operations"] = json!(operations);
        }
        return format!("{report}\n");
    }
    let mut text = format!(
        "{name}: {median:.0} images/s (median of {}, best {best:.0}), {} experts, batch {}, {device}\n",
        result.seconds.len(),
        arguments.experts,
        result.images,
    );
    if let Some(memory) = memory {
        let _ = writeln!(text, "peak memory of the process: {memory:.0} MiB");
    }
    for op in &operations {
        let _ = writeln!(
            text,
            "  {:40} {:>9.3} ms  {:>6.0} GFLOP/s  {:>5.1} GB/s  {}",
            op["name"].as_str().unwrap_or_default(),
            op["ms"].as_f64().unwrap_or_default(),
            op["gflop_per_s"].as_f64().unwrap_or_default(),
            op["gbyte_per_s"].as_f64().unwrap_or_default(),
            op["kernel"].as_str().unwrap_or_default(),
        );
    }
    text
}

/// Images a second.
pub(super) struct Rates {
    pub(super) median: f64,
    pub(super) best: f64,
}

pub(super) fn rates(result: &BenchResult) -> Rates {
    let mut rates: Vec<f64> = result.seconds.iter().map(|s| result.images as f64 / s).collect();
    rates.sort_by(f64::total_cmp);
    Rates {
        median: f64::midpoint(rates[rates.len() / 2], rates[(rates.len() - 1) / 2]),
        best: rates[rates.len() - 1],
    }
}

/// The most memory that the process has had, where the system tells.
pub(super) fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kib / 1024.0 * 10.0).round() / 10.0)
}
