//! `filbert get`: fetch files.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
use crate::api::target::read_target;
use crate::api::{
    CollectionProgress, Download, DownloadPhase, GetRequest, GiveBack, Watch, parse_target,
};
use crate::node::Target;
use crate::wire::collection::is_named;

/// How long a node without a neighbour is given to find one before it is asked to fetch.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one question about progress may stay open, in milliseconds.
const WATCH_MS: u64 = 20_000;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Numbers of results, magnet links, urn:sha1:…, http://HOST:PORT/uri-res/N2R?urn:sha1:…, or
    /// files that hold a collection
    #[arg(required = true, value_name = "NUMBER|MAGNET|URN|URL|FILE", value_parser = target)]
    targets: Vec<String>,
    /// The folder for the files
    #[arg(long = "output", short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Wait until they are complete
    #[arg(long)]
    wait: bool,
    /// How long to wait, without a source, for one
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    timeout: u64,
    #[command(flatten)]
    joining: Joining,
}

/// The text itself, when it names something that can be fetched; of a collection at hand the whole
/// path.
fn target(text: &str) -> Result<String, String> {
    let path = Path::new(text);
    if is_named(text) && path.is_file() {
        let path = std::path::absolute(path).ok();
        if let Some(path) = path.as_deref().and_then(Path::to_str) {
            return Ok(path.to_owned());
        }
    }
    match read_target(text.trim()) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) if is_named(text) && !text.contains("://") => {
            Err("there is no such file".to_owned())
        }
        // What was said stands before it.
        Err(why) => Err(format!("it {why}")),
    }
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
        for (url, why) in parse_target(target).iter().flat_map(Target::passed_over) {
            context.tell(&format!(
                "filbert: {} is not asked: {why}",
                output::plain(&url)
            ));
        }
        let (target, dir) = (target.clone(), folder.clone());
        downloads.push(session.client.get(&GetRequest { target, dir }).await?);
    }
    // Numbers are given once: this is the first download of the home.
    if downloads.iter().any(|download| download.id == 1) {
        say_who_else_gets_it(context, session).await?;
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
        let patience = Duration::from_secs(arguments.timeout);
        *download = finish(context, &session.client, download.clone(), patience).await?;
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

/// Tells at the first download what becomes of its bytes, and how that is changed.
async fn say_who_else_gets_it(context: &Context, session: &Session) -> Result<(), Failure> {
    let how_long = match session.client.status().await?.give_back {
        GiveBack::Always => "others get what you fetch, as it comes and as long as the daemon runs",
        GiveBack::WhileDownloading => "others get what is there of a file while you fetch it",
        GiveBack::Never => return Ok(()),
    };
    context.tell(&format!(
        "filbert: {how_long}; `give_back` in the settings changes that"
    ));
    Ok(())
}

/// Follows a download to its end, or until it lacks a source for as long as `patience` or the disk
/// is in its way.
async fn finish(
    context: &Context,
    client: &Client,
    mut download: Download,
    patience: Duration,
) -> Result<Download, Failure> {
    let bar = progress::bar(context.quiet, &download.name, download.size);
    let mut served = Instant::now();
    while !download.state.is_over() {
        follow(&bar, &download);
        let starving = matches!(
            download.state,
            DownloadPhase::Searching | DownloadPhase::Waiting
        );
        if !starving {
            served = Instant::now();
        }
        let left = patience.saturating_sub(served.elapsed());
        let stopped = download.state == DownloadPhase::Paused && download.error.is_some();
        if stopped || (starving && left.is_zero()) {
            break;
        }
        let wait_ms = u64::try_from(left.as_millis()).map_or(WATCH_MS, |left| left + 1);
        let watch = Watch {
            after: download.version,
            wait_ms: wait_ms.min(WATCH_MS),
        };
        download = client.download(download.id, watch).await?;
    }
    bar.finish_and_clear();
    Ok(download)
}

fn follow(bar: &ProgressBar, download: &Download) {
    let name = match &download.collection {
        Some(CollectionProgress { files, done, .. }) => {
            format!("{}, {done} of {files} files", download.name)
        }
        None => download.name.clone(),
    };
    let what = match download.state {
        DownloadPhase::Searching | DownloadPhase::Waiting => {
            format!("{name} (looking for sources)")
        }
        DownloadPhase::Queued => format!("{name} (queued)"),
        DownloadPhase::Paused => format!("{name} (paused)"),
        _ => match download.waits() {
            Some(waiting) => format!("{name} ({waiting})"),
            None => name,
        },
    };
    bar.set_message(output::plain(&what));
    bar.set_length(download.size);
    bar.set_position(download.received);
    bar.set_prefix(standing(download));
}

/// Who gives it, and how much of it is known to be right.
fn standing(download: &Download) -> String {
    let verified = u128::from(download.verified) * 100;
    let verified = verified.checked_div(download.size.into()).unwrap_or(0);
    let (active, known) = (download.sources.active, download.sources.known);
    format!(", sources {active}/{known}, verified {verified}%")
}

/// Says how a download ended: its path to stdout, anything else to stderr.
fn report(context: &Context, download: &Download) -> Result<Exit, Failure> {
    let name = output::plain(&download.name);
    if download.state != DownloadPhase::Done {
        let why = download.error.as_deref();
        let why = why.unwrap_or("nobody who has it answered; ask again and it goes on");
        output::tell(&format!("filbert: {name}: {}", output::plain(why)));
        return Ok(download.error_code.map_or(Exit::Unfinished, Exit::from));
    }
    let size = size::human(download.size);
    context.tell(&match &download.collection {
        Some(CollectionProgress { files, signer, .. }) => {
            format!("filbert: {name}: {files} files, {size}, verified, signed by {signer}")
        }
        None => format!("filbert: {name}: {size}, verified"),
    });
    if let Some(path) = download.path.as_ref().filter(|_| !context.json) {
        output::line(&output::plain(&path.display().to_string()))?;
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_file_tells_who_gives_it_and_what_of_it_is_right() {
        let download = |size: u64, verified: u64| -> Download {
            let value = serde_json::json!({
                "id": 1, "name": "almond", "size": size, "sha1": "x", "state": "active",
                "priority": "normal", "verified": verified, "rate": 0, "path": null,
                "sources": {"known": 5, "active": 3, "liars": [], "queues": []},
                "error": null, "error_code": null, "received": verified, "version": 1,
                "collection": null, "part_of": null,
            });
            serde_json::from_value(value).unwrap()
        };
        let told = standing(&download(3_000, 1_000));
        assert_eq!(told, ", sources 3/5, verified 33%");
        // Nobody has told its size yet.
        assert_eq!(standing(&download(0, 0)), ", sources 3/5, verified 0%");
    }
}
