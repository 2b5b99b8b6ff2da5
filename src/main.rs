//! The command.

use std::process::ExitCode;

fn main() -> ExitCode {
    filbert::cli::main()
}
