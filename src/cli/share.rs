//! `filbert share`: what is shared.

use clap::Subcommand;

use super::Context;
use super::exit::{Exit, Failure};
use super::output::{self, Align};
use super::size;
use crate::api::ShareStage;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the shared directories
    Ls,
}

pub(super) async fn list(context: &Context) -> Result<Exit, Failure> {
    let shares = context.client()?.shares().await?;
    if context.json {
        output::json(&shares)?;
        return Ok(Exit::Ok);
    }
    if shares.is_empty() {
        context.tell("filbert: nothing is shared; `filbert run --share DIR` shares a directory");
    }
    let columns = [
        ("files", Align::Right),
        ("size", Align::Right),
        ("hashed", Align::Right),
        ("pending", Align::Right),
        ("state", Align::Left),
        ("path", Align::Left),
    ];
    let rows = shares.iter().map(|share| {
        vec![
            share.files.to_string(),
            size::human(share.bytes),
            share.hashed.to_string(),
            share.pending.to_string(),
            stage(share.state).to_owned(),
            output::plain(&share.path.display().to_string()),
        ]
    });
    output::table(&columns, &rows.collect::<Vec<_>>())?;
    Ok(Exit::Ok)
}

const fn stage(stage: ShareStage) -> &'static str {
    match stage {
        ShareStage::Waiting => "waiting",
        ShareStage::Scanning => "scanning",
        ShareStage::Hashing => "hashing",
        ShareStage::Ready => "ready",
        ShareStage::Unreadable => "unreadable",
    }
}
