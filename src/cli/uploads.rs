//! `filbert uploads`: what others are given, and who waits for it.

use super::Context;
use super::exit::{Exit, Failure};
use super::output::{self, Align};
use super::size;
use crate::api::{Upload, UploadPhase};

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let uploads = context.client()?.uploads().await?;
    if context.json {
        output::json(&uploads)?;
        return Ok(Exit::Ok);
    }
    if uploads.is_empty() {
        context.tell("filbert: no uploads");
    }
    let columns = [
        ("#", Align::Right),
        ("peer", Align::Left),
        ("state", Align::Left),
        ("sent", Align::Right),
        ("size", Align::Right),
        ("rate", Align::Right),
        ("weight", Align::Right),
        ("since", Align::Right),
        ("name", Align::Left),
        ("agent", Align::Left),
    ];
    output::table(&columns, &uploads.iter().map(row).collect::<Vec<_>>())?;
    Ok(Exit::Ok)
}

fn row(upload: &Upload) -> Vec<String> {
    let state = match (upload.state, upload.position) {
        (UploadPhase::Queued, Some(position)) => format!("queued {position}"),
        (UploadPhase::Queued, None) => "queued".to_owned(),
        (UploadPhase::Active, _) => "active".to_owned(),
        (UploadPhase::Kept, _) => "kept".to_owned(),
    };
    vec![
        upload.id.to_string(),
        upload.peer.to_string(),
        state,
        size::human(upload.sent),
        size::human(upload.size),
        format!("{}/s", size::human(upload.rate)),
        upload.weight.to_string(),
        size::duration(upload.since_s),
        output::plain(&upload.name),
        output::plain(&upload.agent),
    ]
}
