//! `filbert results`: a search's results with all their sources.

use clap::Args;

use super::Context;
use super::exit::{Exit, Failure};
use super::output::{self, Align};
use super::size;
use crate::api::{Search, SearchPhase, Watch};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Number of the search; without it, the latest
    id: Option<u64>,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let search = match arguments.id {
        Some(id) => client.search_state(id, Watch::default()).await?,
        None => client.searches().await?.pop().ok_or_else(|| {
            let message = "nothing was searched for yet: `filbert search WORDS`";
            Failure::new(Exit::NothingFound, message)
        })?,
    };
    print(context, &search)
}

/// Prints the results of a search.
pub(super) fn print(context: &Context, search: &Search) -> Result<Exit, Failure> {
    if context.json {
        output::json(search)?;
    } else {
        show(context, search)?;
    }
    Ok(if search.results.is_empty() {
        Exit::NothingFound
    } else {
        Exit::Ok
    })
}

fn show(context: &Context, search: &Search) -> Result<(), Failure> {
    let state = match search.state {
        SearchPhase::Searching => "still searching",
        SearchPhase::Finished => "finished",
    };
    let files = search.results.len();
    let query = output::plain(&search.query);
    context.tell(&format!(
        "filbert: search {} \"{query}\": {files} found, {state}",
        search.id
    ));
    let columns = [
        ("#", Align::Right),
        ("size", Align::Right),
        ("sources", Align::Right),
        ("hops", Align::Right),
        ("name", Align::Left),
    ];
    let rows = search.results.iter().map(|found| {
        vec![
            found.number.to_string(),
            size::human(found.size),
            found.sources.len().to_string(),
            found.hops.to_string(),
            output::plain(&found.name),
        ]
    });
    output::table(&columns, &rows.collect::<Vec<_>>())
}
