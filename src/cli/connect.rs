//! `filbert connect`: make a servent a neighbour.

use clap::Args;

use super::Context;
use super::exit::{Exit, Failure};
use super::session::resolve;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Where the servent listens
    #[arg(value_name = "HOST:PORT")]
    servent: String,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let address = resolve(&arguments.servent).await?;
    context.client()?.connect(address).await?;
    context.tell(&format!("filbert: {address} is a neighbour"));
    Ok(Exit::Ok)
}
