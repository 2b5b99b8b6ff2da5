//! `filbert wish`: searches that are kept and asked again.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Context;
use super::exit::{Exit, Failure};
use super::home::absolute;
use super::output::{self, Align};
use super::search::Asked;
use crate::api::{Wish, WishPhase, WishRequest};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Keep a search: the daemon asks it again and again, after restarts too
    Add(Arguments),
    /// Show the wishes
    Ls,
    /// Forget wishes; what they found and fetch stays
    Rm {
        /// Their numbers
        #[arg(required = true, value_name = "NUMBER")]
        ids: Vec<u64>,
    },
}

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    /// Fetch so many of the files as they are found, then ask no more
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100))]
    fetch: u32,
    /// The folder for them
    #[arg(long = "output", short, value_name = "DIR", requires = "fetch")]
    output: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    let client = context.client()?;
    let wishes = match command {
        Command::Ls => client.wishes().await?,
        Command::Add(arguments) => {
            let dir = arguments.output.as_deref().map(absolute).transpose()?;
            let request = WishRequest {
                search: arguments.asked.request(),
                fetch: arguments.fetch,
                dir,
            };
            vec![client.add_wish(&request).await?]
        }
        Command::Rm { ids } => {
            let mut removed = Vec::new();
            for id in ids {
                removed.push(client.remove_wish(id).await?);
            }
            removed
        }
    };
    if context.json {
        output::json(&wishes)?;
        return Ok(Exit::Ok);
    }
    if wishes.is_empty() {
        context.tell("filbert: no wishes; `filbert wish add WORDS` keeps one");
    }
    let columns = [
        ("#", Align::Right),
        ("state", Align::Left),
        ("asked", Align::Right),
        ("found", Align::Right),
        ("fetched", Align::Right),
        ("search", Align::Right),
        ("words", Align::Left),
    ];
    output::table(&columns, &wishes.iter().map(row).collect::<Vec<_>>())?;
    Ok(Exit::Ok)
}

fn row(wish: &Wish) -> Vec<String> {
    let state = match wish.state {
        WishPhase::Asking => "asking",
        WishPhase::Resting => "resting",
        WishPhase::Done => "done",
    };
    vec![
        wish.id.to_string(),
        state.to_owned(),
        wish.asked.to_string(),
        wish.found.to_string(),
        format!("{}/{}", wish.fetched.len(), wish.fetch),
        wish.search
            .map_or_else(|| "-".to_owned(), |search| search.to_string()),
        output::plain(&wish.query),
    ]
}
