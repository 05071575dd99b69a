//! The `balpoe` program with the components of this crate.

use ensemble_temperature as _; // a linker drops what nothing names, registrations and all

fn main() -> std::process::ExitCode {
    balpoe::program()
}
