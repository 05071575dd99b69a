//! `balpoe bench`: speed of the training step, of evaluation, and of single operations.

use std::fmt::Write as _;
use std::process::ExitCode;

use balpoe_core::config::{Override, Sources};
use balpoe_engine::DeviceChoice;
use balpoe_engine::cuda::Precision;
use balpoe_lab::{BenchOptions, BenchResult, Work, bench, engine_precision};
use serde_json::json;

use super::devices::ChosenDevices;
use super::experiment::available_threads;
use super::{bench_input, bench_operations};
use crate::arguments::{BenchArguments, BenchCommand};
use crate::diagnostics::Failure;
use crate::terminal;

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
    let network = arguments.network;
    let batch = arguments.batch.unwrap_or_else(|| network.batch());
    let experiment = network.experiment(arguments.experts, batch, vec![precision], &mut sources)?;
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
    let options = BenchOptions {
        work,
        resources,
        resident: network.is_resident(),
        warm_up: 3,
        repeats,
        operations: arguments.operations,
    };
    for arm in &experiment.arms {
        let precision = engine_precision(arm.train.precision);
        let result = bench(arm, network.size(), &network.class_counts(), options)
            .map_err(|error| Failure::with(error, &sources))?;
        let machine = Machine {
            device: resources.describe(precision),
            // A processor has one.
            precision: if devices.gpus() > 0 { precision } else { Precision::F32 },
        };
        terminal::print(&report(name, &result, arguments, &machine));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a network was measured on.
struct Machine {
    device: String,
    precision: Precision,
}

fn report(name: &str, result: &BenchResult, arguments: &BenchArguments, machine: &Machine) -> String {
    let Machine { device, precision } = machine;
    let network = arguments.network.name();
    let (height, width) = arguments.network.size();
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
            "network": network,
            "image": [height, width],
            "experts": arguments.experts,
            "batch": result.images,
            "precision": precision.to_string(),
            "device": device,
        });
        if !operations.is_empty() {
            report["operations"] = json!(operations);
        }
        if !result.notices.is_empty() {
            report["notices"] = json!(result.notices);
        }
        return format!("{report}\n");
    }
    let mut text = format!(
        "{name}: {median:.0} images/s (median of {}, best {best:.0}), {network} at {height}x{width}, {} {}, batch {}, {device}\n",
        result.seconds.len(),
        arguments.experts,
        if arguments.experts == 1 { "expert" } else { "experts" },
        result.images,
    );
    if let Some(memory) = memory {
        let _ = writeln!(text, "peak memory of the process: {memory:.0} MiB");
    }
    for notice in &result.notices {
        let _ = writeln!(text, "{notice}");
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
