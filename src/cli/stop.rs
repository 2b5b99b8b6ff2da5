//! `filbert stop`: end the daemon.

use std::time::{Duration, Instant};

use super::Context;
use super::exit::{Exit, Failure};
use crate::api::Code;
use crate::api::client::Client;
use crate::runtime;

/// How long the daemon may take to end.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked whether it still answers.
const ASK_AGAIN: Duration = Duration::from_millis(50);

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    client.stop().await?;
    gone(&client).await?;
    context.tell("filbert: stopped");
    Ok(Exit::Ok)
}

/// Waits until nobody answers any more.
async fn gone(client: &Client) -> Result<(), Failure> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match client.status().await {
            Err(error) if error.code == Code::NotReachable => return Ok(()),
            Ok(_) | Err(_) => runtime::sleep(ASK_AGAIN).await,
        }
    }
    let message = format!("the daemon still answers after {} s", PATIENCE.as_secs());
    Err(Failure::new(Exit::Error, message))
}
