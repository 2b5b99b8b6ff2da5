//! `filbert get`: fetch files.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;

use super::Context;
use super::exit::{Exit, Failure};
use super::home::absolute;
use super::output;
use super::progress;
use super::session::{Joining, Session};
use super::size;
use crate::api::client::Client;
use crate::api::{Download, DownloadPhase, GetRequest, Watch, parse_target};
use crate::node::Target;

/// How long a node without a neighbour is given to find one before it is asked to fetch.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one question about progress may stay open, in milliseconds.
const WATCH_MS: u64 = 20_000;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Numbers of results, magnet links, urn:sha1:…, or http://HOST:PORT/uri-res/N2R?urn:sha1:…
    #[arg(required = true, value_name = "NUMBER|MAGNET|URN|URL", value_parser = target)]
    targets: Vec<String>,
    /// The folder for the files
    #[arg(long = "output", short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Wait until they are complete
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    joining: Joining,
}

/// The text itself, when it names something that can be fetched.
fn target(text: &str) -> Result<String, crate::api::Error> {
    parse_target(text).map(|_| text.to_owned())
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let folder = arguments.output.as_deref().map(absolute).transpose()?;
    let here = absolute(".".as_ref())?;
    let session = Session::open(context, &arguments.joining, Some(&here)).await?;
    let exit = fetch(context, &arguments, folder, &session).await;
    session.close().await;
    exit
}

async fn fetch(
    context: &Context,
    arguments: &Arguments,
    folder: Option<PathBuf>,
    session: &Session,
) -> Result<Exit, Failure> {
    if session.is_short_lived() {
        let numbered = |text: &String| matches!(parse_target(text), Ok(Target::Number(_)));
        if arguments.targets.iter().any(numbered) {
            let message = "numbers belong to the searches of a daemon, and none runs: \
                name the file by its urn:sha1:…";
            return Err(Failure::new(Exit::NotReachable, message));
        }
        // Without a neighbour it may still reach a source that the target itself names.
        if !session.is_hopeless() {
            session.connected(PATIENCE).await?;
        }
    }
    let mut downloads = Vec::new();
    for target in &arguments.targets {
        let (target, dir) = (target.clone(), folder.clone());
        downloads.push(session.client.get(&GetRequest { target, dir }).await?);
    }
    if !arguments.wait && !session.is_short_lived() {
        if context.json {
            output::json(&downloads)?;
        } else {
            for download in &downloads {
                output::line(&format!(
                    "{}  {}",
                    download.id,
                    output::plain(&download.name)
                ))?;
            }
        }
        return Ok(Exit::Ok);
    }
    let mut exit = Exit::Ok;
    for download in &mut downloads {
        *download = finish(context, &session.client, download.clone()).await?;
        let outcome = report(context, download)?;
        if exit == Exit::Ok {
            exit = outcome;
        }
    }
    if context.json {
        output::json(&downloads)?;
    }
    Ok(exit)
}

/// Follows a download to its end.
async fn finish(
    context: &Context,
    client: &Client,
    mut download: Download,
) -> Result<Download, Failure> {
    let bar = progress::bar(context.quiet, &download.name, download.size);
    while !download.state.is_over() {
        follow(&bar, &download);
        let watch = Watch {
            after: download.version,
            wait_ms: WATCH_MS,
        };
        download = client.download(download.id, watch).await?;
    }
    bar.finish_and_clear();
    Ok(download)
}

fn follow(bar: &ProgressBar, download: &Download) {
    let what = match download.state {
        DownloadPhase::Searching => format!("{} (looking for sources)", download.name),
        _ => download.name.clone(),
    };
    bar.set_message(output::plain(&what));
    bar.set_length(download.size);
    bar.set_position(download.received);
}

/// Says how a download ended: its path to stdout, anything else to stderr.
fn report(context: &Context, download: &Download) -> Result<Exit, Failure> {
    let name = output::plain(&download.name);
    if download.state == DownloadPhase::Failed {
        let why = download.error.as_deref().unwrap_or("it did not say why");
        output::tell(&format!("filbert: {name}: {}", output::plain(why)));
        return Ok(download.error_code.map_or(Exit::Error, Exit::from));
    }
    context.tell(&format!(
        "filbert: {name}: {}, verified",
        size::human(download.size)
    ));
    if let Some(path) = download.path.as_ref().filter(|_| !context.json) {
        output::line(&output::plain(&path.display().to_string()))?;
    }
    Ok(Exit::Ok)
}
