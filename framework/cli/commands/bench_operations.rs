//! `balpoe bench ops`: single operations, and how far each is from what the processor allows.

use std::fmt::Write as _;
use std::process::ExitCode;

use balpoe_core::config::Sources;
use balpoe_engine::InstructionSet;
use balpoe_lab::{OperationSpeed, Operations, bench_operations};
use serde_json::{Value as Json, json};

use crate::arguments::{BenchNetwork, BenchOpsArguments};
use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(arguments: &BenchOpsArguments) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let network = BenchNetwork::Resnet32;
    let experiment = network.experiment(arguments.experts, arguments.batch, Vec::new(), &mut sources)?;
    for arm in &experiment.arms {
        let measured = bench_operations(arm, network.size(), &network.class_counts(), arguments.batch)
            .map_err(|error| Failure::with(error, &sources))?;
        terminal::print(&if arguments.json {
            as_json(&measured, arguments)
        } else {
            as_text(&measured, arguments)
        });
    }
    Ok(ExitCode::SUCCESS)
}

fn gflops(operation: &OperationSpeed) -> f64 {
    2e-9 * operation.multiply_adds as f64 / operation.seconds
}

fn gbytes(operation: &OperationSpeed) -> f64 {
    1e-9 * operation.bytes as f64 / operation.seconds
}

/// Milliseconds of a training step, and of its floor: all passes as often as they come.
fn step(measured: &Operations) -> [f64; 2] {
    let sum = |time: fn(&OperationSpeed) -> f64| {
        measured.operations.iter().map(|op| 1e3 * op.times as f64 * time(op)).sum()
    };
    [sum(|op| op.seconds), sum(|op| op.floor)]
}

fn as_json(measured: &Operations, arguments: &BenchOpsArguments) -> String {
    let round = |value: f64, digits: i32| (value * 10_f64.powi(digits)).round() / 10_f64.powi(digits);
    let operations: Vec<Json> = measured
        .operations
        .iter()
        .map(|op| {
            json!({
                "name": op.name,
                "pass": op.pass,
                "kernel": op.kernel,
                "times": op.times,
                "ms": round(1e3 * op.seconds, 4),
                "gflop_per_s": round(gflops(op), 1),
                "mbytes": round(1e-6 * op.bytes as f64, 3),
                "gbyte_per_s": round(gbytes(op), 1),
                "floor_ms": round(1e3 * op.floor, 4),
                "times_the_floor": round(op.seconds / op.floor, 2),
            })
        })
        .collect();
    let [ms, floor] = step(measured);
    let report = json!({
        "name": "ops",
        "experts": arguments.experts,
        "batch": arguments.batch,
        "threads": 1,
        "instruction_set": InstructionSet::detect().to_string(),
        "peak_gflop_per_s": round(1e-9 * measured.peak_flops, 1),
        "copy_gbyte_per_s": round(1e-9 * measured.copy_speed, 1),
        "step_ms": round(ms, 2),
        "step_floor_ms": round(floor, 2),
        "operations": operations,
    });
    format!("{report}\n")
}

fn as_text(measured: &Operations, arguments: &BenchOpsArguments) -> String {
    let mut text = format!(
        "one thread, {}: {:.0} GFLOP/s of multiply-adds, copies of {:.1} GB/s\n\n",
        InstructionSet::detect(),
        1e-9 * measured.peak_flops,
        1e-9 * measured.copy_speed
    );
    let _ = writeln!(
        text,
        "{:38} {:15} {:9} {:>5} {:>9} {:>8} {:>7} {:>6} {:>9} {:>7}",
        "operation", "pass", "kernel", "times", "ms", "GFLOP/s", "MB", "GB/s", "floor ms", "x floor"
    );
    for op in &measured.operations {
        let times = if op.times == 0 { "–".to_owned() } else { op.times.to_string() };
        let rate = if op.multiply_adds == 0 { "–".to_owned() } else { format!("{:.0}", gflops(op)) };
        let _ = writeln!(
            text,
            "{:38} {:15} {:9} {times:>5} {:>9.3} {rate:>8} {:>7.1} {:>6.1} {:>9.3} {:>7.2}",
            op.name,
            op.pass,
            op.kernel,
            1e3 * op.seconds,
            1e-6 * op.bytes as f64,
            gbytes(op),
            1e3 * op.floor,
            op.seconds / op.floor,
        );
    }
    let [ms, floor] = step(measured);
    let _ = writeln!(
        text,
        "\nkernels of a training step, {} experts, batch {}: {ms:.1} ms, {:.2} times the floor of their multiply-adds, {floor:.1} ms",
        arguments.experts,
        arguments.batch,
        ms / floor
    );
    text
}
