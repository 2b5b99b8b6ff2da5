//! `filbert browse`: the list of what another servent shares.

use clap::Args;

use super::Context;
use super::exit::{Exit, Failure};
use super::results;
use super::session::{Joining, Session, resolve};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Where it listens, as it stands beside what it has; one that nobody can connect to is pushed,
    /// where the daemon has found it by a search
    #[arg(value_name = "HOST:PORT")]
    host: String,
    #[command(flatten)]
    joining: Joining,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let host = resolve(&arguments.host).await?;
    let session = Session::open(context, &arguments.joining, None).await?;
    let listed = session.client.browse(host).await;
    session.close().await;
    results::print(context, &listed?)
}
