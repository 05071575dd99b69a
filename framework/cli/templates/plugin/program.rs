//! The `balpoe` program with the components of this crate.

use my_plugin as _; // a linker drops what nothing names, registrations and all

fn main() -> std::process::ExitCode {
    balpoe::program()
}
