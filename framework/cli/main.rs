//! The `balpoe` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    balpoe::program()
}
