//! `filbert downloads`: what is being fetched.

use super::Context;
use super::exit::{Exit, Failure};
use super::output::{self, Align};
use super::size;
use crate::api::{Download, DownloadPhase};

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let downloads = context.client()?.downloads().await?;
    if context.json {
        output::json(&downloads)?;
        return Ok(Exit::Ok);
    }
    if downloads.is_empty() {
        context.tell("filbert: no downloads");
    }
    let columns = [
        ("#", Align::Right),
        ("state", Align::Left),
        ("size", Align::Right),
        ("done", Align::Right),
        ("rate", Align::Right),
        ("sources", Align::Right),
        ("name", Align::Left),
    ];
    output::table(&columns, &downloads.iter().map(row).collect::<Vec<_>>())?;
    Ok(Exit::Ok)
}

fn row(download: &Download) -> Vec<String> {
    let state = match download.state {
        DownloadPhase::Searching => "searching",
        DownloadPhase::Active => "active",
        DownloadPhase::Done => "done",
        DownloadPhase::Failed => "failed",
    };
    let percent = u128::from(download.received) * 100 / u128::from(download.size.max(1));
    let done = match download.state {
        DownloadPhase::Done => 100,
        _ => percent.min(99),
    };
    let name = match &download.error {
        Some(error) => format!("{}: {error}", download.name),
        None => download.name.clone(),
    };
    vec![
        download.id.to_string(),
        state.to_owned(),
        size::human(download.size),
        format!("{done} %"),
        format!("{}/s", size::human(download.rate)),
        format!("{}/{}", download.sources.active, download.sources.known),
        output::plain(&name),
    ]
}
