//! The commands: one file each, one definition of the options.
//!
//! Speaks to a node through `api::client` only; where no daemon runs, `search` and `get` start a
//! short-lived servent and speak to that in the same way (`session`). The only room that names
//! the argument parser. Data goes to stdout, everything else to stderr.

mod browse;
mod collection;
mod config;
mod connect;
mod counters;
mod decode;
mod devnet;
mod downloads;
mod exit;
mod explain;
mod get;
mod hash;
mod home;
mod logger;
mod magnet;
mod network;
mod output;
mod peers;
mod progress;
mod results;
mod run;
mod search;
mod session;
mod share;
mod size;
mod status;
mod stop;
mod transfers;
mod uploads;
mod whatif;
mod wish;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, Parser, Subcommand};
use futures::future::{self, Either, FutureExt};

pub use exit::Exit;

use self::exit::Failure;
use crate::api::client::Client;
use crate::runtime;

/// A Gnutella servent and overlay laboratory.
#[derive(Debug, Parser)]
#[command(
    name = "filbert",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Everywhere")]
struct Globals {
    /// Where the daemon keeps its state
    #[arg(long, global = true, env = "FILBERT_HOME", value_name = "DIR")]
    home: Option<PathBuf>,
    /// Address of the daemon's control plane
    #[arg(long, global = true, env = "FILBERT_API", value_name = "ADDR")]
    api: Option<SocketAddr>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing on stderr but errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more on stderr; again for yet more
    #[arg(long, short, global = true, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon in the foreground: join, serve, fetch
    Run(run::Arguments),
    /// Start many servents on loopback, search and fetch among them
    Devnet(devnet::Arguments),
    /// Search the overlay and show what is found as it comes
    Search(search::Arguments),
    /// Show a search's results with all their sources
    Results(results::Arguments),
    /// Show what another servent shares
    Browse(browse::Arguments),
    /// Fetch files
    Get(get::Arguments),
    /// Show the downloads, and say what becomes of them
    Downloads(downloads::Arguments),
    /// Show what others are given, and who waits for it
    Uploads,
    /// Keep searches that are asked again and again, and may fetch what they find
    #[command(subcommand)]
    Wish(wish::Command),
    /// Show the neighbours
    Peers,
    /// Show how the daemon is
    Status,
    /// Show what the daemon counted
    Counters,
    /// Tell what queries would reach and cost, from what the daemon saw so far
    Whatif(whatif::Arguments),
    /// Stop the daemon
    Stop,
    /// Look at what is shared
    #[command(subcommand)]
    Share(share::Command),
    /// Make a servent a neighbour of the daemon
    Connect(connect::Arguments),
    /// Look at the settings
    #[command(subcommand)]
    Config(config::Command),
    /// Print the hashes of files
    Hash(hash::Arguments),
    /// Print magnet links of files
    Magnet(magnet::Arguments),
    /// Make and look at signed sets of files that are fetched with one `get`
    #[command(subcommand)]
    Collection(collection::Command),
    /// Show what captured bytes say, one JSON line a descriptor
    Decode(decode::Arguments),
}

/// What every command may need.
#[derive(Debug)]
struct Context {
    home: PathBuf,
    /// The file with the user's settings.
    settings: PathBuf,
    api: Option<SocketAddr>,
    json: bool,
    quiet: bool,
}

impl Context {
    fn client(&self) -> Result<Client, Failure> {
        Ok(Client::find(&self.home, self.api)?)
    }

    /// Tells the user something that is not data.
    fn tell(&self, text: &str) {
        if !self.quiet {
            output::tell(text);
        }
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error).into(),
    };
    logger::start(cli.globals.quiet, cli.globals.verbose);
    match dispatch(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if let Some(message) = failure.message() {
                output::tell(&format!("filbert: {message}"));
            }
            failure.exit().into()
        }
    }
}

fn dispatch(Cli { globals, command }: Cli) -> Result<Exit, Failure> {
    let home::Places { home, settings } = home::resolve(globals.home)?;
    let context = Context {
        home,
        settings,
        api: globals.api,
        json: globals.json,
        quiet: globals.quiet,
    };
    let context = &context;
    match command {
        Command::Run(arguments) => runtime::block_on(run::run(context, arguments)),
        Command::Devnet(arguments) => runtime::block_on(devnet::run(context, arguments)),
        Command::Search(arguments) => until_interrupted(search::run(context, arguments)),
        Command::Results(arguments) => until_interrupted(results::run(context, arguments)),
        Command::Browse(arguments) => until_interrupted(browse::run(context, arguments)),
        Command::Get(arguments) => until_interrupted(get::run(context, arguments)),
        Command::Downloads(arguments) => until_interrupted(downloads::run(context, arguments)),
        Command::Uploads => until_interrupted(uploads::run(context)),
        Command::Wish(command) => until_interrupted(wish::run(context, command)),
        Command::Peers => until_interrupted(peers::run(context)),
        Command::Status => until_interrupted(status::run(context)),
        Command::Counters => until_interrupted(counters::run(context)),
        Command::Whatif(arguments) => until_interrupted(whatif::run(context, arguments)),
        Command::Stop => until_interrupted(stop::run(context)),
        Command::Share(share::Command::Ls) => until_interrupted(share::list(context)),
        Command::Connect(arguments) => until_interrupted(connect::run(context, arguments)),
        Command::Config(command) => config::run(context, &command),
        Command::Hash(arguments) => hash::run(context, &arguments),
        Command::Magnet(arguments) => magnet::run(context, &arguments),
        Command::Collection(command) => collection::run(context, command),
        Command::Decode(arguments) => decode::run(&arguments),
    }
}

/// Runs a command that an interruption simply ends: what it holds is given back by dropping it.
fn until_interrupted(
    command: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    runtime::block_on(async {
        let command = std::pin::pin!(command);
        match future::select(command, runtime::interrupted().boxed()).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right((Ok(_), _)) => Ok(Exit::Interrupted),
            Either::Right((Err(error), command)) => {
                log::debug!("signals cannot be watched: {error}");
                command.await
            }
        }
    })
}

/// Prints what the argument parser has to say: help, or what is wrong.
fn explain(error: &clap::Error) -> Exit {
    // There is nobody to tell when this cannot be printed.
    let _closed = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Ok,
        _ => Exit::Usage,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_options_is_sound() {
        Cli::command().debug_assert();
    }
}
