//! `filbert downloads`: what is being fetched, and what becomes of it.

use clap::{Args, Subcommand, ValueEnum};

use super::Context;
use super::exit::{Exit, Failure};
use super::output::{self, Align};
use super::size;
use crate::api::client::Client;
use crate::api::{CollectionProgress, Download, DownloadChange, DownloadPhase};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List them, as without a command
    Ls,
    /// Stop downloads; what is there of them is kept
    Pause(Which),
    /// Let downloads go on; those that wait for sources look for them at once
    Resume(Which),
    /// Take downloads from the list; what is not complete is thrown away
    Rm(Which),
    /// Say how soon downloads get a place among those that run
    Priority {
        /// High goes first
        priority: Priority,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Args, Debug)]
struct Which {
    /// Their numbers in the list
    #[arg(required = true, value_name = "ID")]
    ids: Vec<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Priority {
    Low,
    Normal,
    High,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let paused = |paused| DownloadChange {
        paused: Some(paused),
        ..DownloadChange::default()
    };
    let downloads = match arguments.command {
        None | Some(Command::Ls) => client.downloads().await?,
        Some(Command::Pause(which)) => change(&client, &which, paused(true)).await?,
        Some(Command::Resume(which)) => change(&client, &which, paused(false)).await?,
        Some(Command::Priority { priority, which }) => {
            let change_to = DownloadChange {
                priority: Some(priority.into()),
                ..DownloadChange::default()
            };
            change(&client, &which, change_to).await?
        }
        Some(Command::Rm(which)) => {
            let mut removed = Vec::new();
            for id in which.ids {
                removed.push(client.remove_download(id).await?);
            }
            removed
        }
    };
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

async fn change(
    client: &Client,
    which: &Which,
    change: DownloadChange,
) -> Result<Vec<Download>, Failure> {
    let mut changed = Vec::new();
    for id in &which.ids {
        changed.push(client.change_download(*id, change).await?);
    }
    Ok(changed)
}

impl From<Priority> for crate::api::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Low => Self::Low,
            Priority::Normal => Self::Normal,
            Priority::High => Self::High,
        }
    }
}

fn row(download: &Download) -> Vec<String> {
    let state = match download.state {
        DownloadPhase::Queued => "queued",
        DownloadPhase::Searching => "searching",
        DownloadPhase::Active => "active",
        DownloadPhase::Waiting => "waiting",
        DownloadPhase::Paused => "paused",
        DownloadPhase::Done => "done",
        DownloadPhase::Failed => "failed",
    };
    let percent = u128::from(download.received) * 100 / u128::from(download.size.max(1));
    let done = match download.state {
        DownloadPhase::Done => 100,
        _ => percent.min(99),
    };
    let name = match (&download.collection, download.part_of) {
        (Some(CollectionProgress { files, done, .. }), _) => {
            format!("{} ({done} of {files} files)", download.name)
        }
        (None, Some(of)) => format!("{} (of {of})", download.name),
        (None, None) => download.name.clone(),
    };
    let name = match (&download.error, download.waits()) {
        (Some(error), _) => format!("{name}: {error}"),
        (None, Some(waiting)) => format!("{name}: {waiting}"),
        (None, None) => name,
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
