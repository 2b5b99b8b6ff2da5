//! The simulator's command line: see the library.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;
use filbert_sim::arguments::{Arguments, Command};
use filbert_sim::{Error, describe, reach};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match &arguments.command {
        Command::Reach(arguments) => reach::run(arguments, &mut out, &mut io::stderr()),
        Command::Topology(arguments) => describe::run(arguments, &mut out),
    };
    match done.and_then(|()| out.flush().map_err(Error::Output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told when this fails.
            let _ = writeln!(io::stderr(), "filbert-sim: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
