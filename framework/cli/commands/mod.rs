//! What each command does, one file a command.

mod audit;
mod bench;
mod bench_input;
mod bench_network;
mod bench_operations;
mod check;
mod compare;
mod data;
mod describe;
mod devices;
mod doctor;
mod evaluate;
mod experiment;
mod list;
mod new;
mod plan;
mod report;
mod runs;
mod schema;
mod tables;
mod weights;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command, NewCommand};
use crate::diagnostics::Failure;
use crate::terminal;

/// Runs the program on the process's arguments: all commands, with every component that is linked in.
pub fn program() -> ExitCode {
    let arguments = Arguments::parse();
    let conflicts = balpoe_core::registry::conflicts();
    let done =
        if conflicts.is_empty() { run(arguments.command) } else { Err(Failure::usage(conflicts.join("; "))) };
    match done {
        Ok(code) => code,
        Err(failure) => {
            terminal::tell(&failure.report());
            ExitCode::from(failure.class() as u8)
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Experiment(arguments) => experiment::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Check { files } => Ok(check::run(&files)),
        Command::List { kind } => list::run(kind.as_deref()),
        Command::Describe(arguments) => describe::run(&arguments),
        Command::Schema => Ok(schema::run()),
        Command::Data(command) => data::run(&command),
        Command::Table(arguments) => tables::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Runs { command, store } => runs::run(command, &store),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::New(NewCommand::Plugin(arguments)) => new::plugin(&arguments),
        Command::Weights(command) => weights::run(&command),
        Command::Doctor { data } => Ok(doctor::run(&data.root)),
        Command::Bench(command) => bench::run(&command),
    }
}
