//! The simulator's command line: see the library.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;
use filbert_sim::arguments::{Arguments, Command};
use filbert_sim::{Error, cost, describe, living, page, reach, run, sweep, verify};

/// Very many servents of one process make and drop tables of all sizes for hours: in holes that the
/// system's allocator leaves, twice the memory is lost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match &arguments.command {
        Command::Reach(arguments) => {
            reach::run(arguments, &mut out, &mut io::stderr()).map(|()| true)
        }
        Command::Run(arguments) => run::run(arguments, &mut out, &mut io::stderr()),
        Command::Plan(arguments) => cost::run(arguments, &mut out).map(|()| true),
        Command::Sweep(arguments) => sweep::run(arguments, &mut io::stderr()),
        Command::Report(arguments) => page::run(arguments, &mut out).map(|()| true),
        Command::Verify(arguments) => verify::run(arguments, &mut out),
        Command::Live(arguments) => {
            living::command::run(arguments, &mut out, &mut io::stderr()).map(|()| true)
        }
        Command::Topology(arguments) => describe::run(arguments, &mut out).map(|()| true),
    };
    let done = done.and_then(|holds| out.flush().map(|()| holds).map_err(Error::Output));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        // A claim was missed: the code of a verification that failed.
        Ok(false) => ExitCode::from(8),
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told when this fails.
            let _ = writeln!(io::stderr(), "filbert-sim: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
