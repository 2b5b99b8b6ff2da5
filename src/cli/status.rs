//! `filbert status`: how the daemon is.

use super::Context;
use super::exit::{Exit, Failure};
use super::output;
use super::peers::role;
use super::size;
use crate::api::{GiveBack, Reachable};

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let status = context.client()?.status().await?;
    if context.json {
        output::json(&status)?;
        return Ok(Exit::Ok);
    }
    let neighbours = match (status.connected, &status.why) {
        (true, _) => format!(
            "{} ultrapeers, {} leaves",
            status.neighbours.ultrapeers, status.neighbours.leaves
        ),
        (false, Some(why)) => format!("none: {}", output::plain(why)),
        (false, None) => "none".to_owned(),
    };
    let network = status.network.unwrap_or_else(|| "public".to_owned());
    let lines = [
        ("version", status.version),
        ("role", role(status.role).to_owned()),
        ("network", network),
        ("listening", status.listen.to_string()),
        ("neighbours", neighbours),
        ("reachable", reachable(status.reachable)),
        (
            "shared",
            format!(
                "{} files, {}, {} hashed",
                status.shared.files,
                size::human(status.shared.bytes),
                status.shared.hashed
            ),
        ),
        (
            "downloads",
            format!(
                "{} active, {} queued, {} done",
                status.downloads.active, status.downloads.queued, status.downloads.done
            ),
        ),
        (
            "uploads",
            format!(
                "{} active, {} queued",
                status.uploads.active, status.uploads.queued
            ),
        ),
        (
            "exchanged",
            format!(
                "{} given, {} taken",
                size::human(status.exchanged.given),
                size::human(status.exchanged.taken)
            ),
        ),
        ("gives back", given_back(status.give_back).to_owned()),
        ("up for", size::duration(status.uptime_s)),
    ];
    for (name, value) in lines {
        output::line(&format!("{name:<12}{value}"))?;
    }
    Ok(Exit::Ok)
}

/// When others get what is fetched.
const fn given_back(give_back: GiveBack) -> &'static str {
    match give_back {
        GiveBack::Always => "always",
        GiveBack::WhileDownloading => "while downloading",
        GiveBack::Never => "never",
    }
}

/// By what strangers reach the daemon.
fn reachable(reachable: Reachable) -> String {
    let word = |answer: Option<bool>| match answer {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not known",
    };
    format!("TCP {}, UDP {}", word(reachable.tcp), word(reachable.udp))
}
