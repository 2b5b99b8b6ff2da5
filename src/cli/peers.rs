//! `filbert peers`: the neighbours.

use super::Context;
use super::exit::{Exit, Failure};
use super::output::{self, Align};
use super::size;
use crate::api::{Direction, Peer, Role};

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let peers = context.client()?.peers().await?;
    if context.json {
        output::json(&peers)?;
        return Ok(Exit::Ok);
    }
    if peers.is_empty() {
        context.tell("filbert: no neighbours; `filbert status` says why");
    }
    let columns = [
        ("address", Align::Left),
        ("role", Align::Left),
        ("dialled by", Align::Left),
        ("since", Align::Right),
        ("sent", Align::Right),
        ("received", Align::Right),
        ("agent", Align::Left),
    ];
    output::table(&columns, &peers.iter().map(row).collect::<Vec<_>>())?;
    Ok(Exit::Ok)
}

fn row(peer: &Peer) -> Vec<String> {
    let direction = match peer.direction {
        Direction::Incoming => "it",
        Direction::Outgoing => "us",
    };
    vec![
        peer.address.to_string(),
        role(peer.role).to_owned(),
        direction.to_owned(),
        size::duration(peer.since_s),
        size::human(peer.sent),
        size::human(peer.received),
        output::plain(&peer.agent),
    ]
}

pub(super) const fn role(role: Role) -> &'static str {
    match role {
        Role::Ultrapeer => "ultrapeer",
        Role::Leaf => "leaf",
    }
}
