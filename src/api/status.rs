//! The state of a node and of its neighbours.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::node::{self, state};

/// The state of a node.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// The node's place in the overlay.
    pub role: Role,
    /// Name of a closed network, if it belongs to one.
    pub network: Option<String>,
    /// Where it listens for other servents.
    pub listen: SocketAddr,
    /// Whether it has a neighbour.
    pub connected: bool,
    /// Why it has none.
    pub why: Option<String>,
    /// How many neighbours it has.
    pub neighbours: Neighbours,
    /// Whether strangers reach it.
    pub reachable: Reachable,
    /// What it shares.
    pub shared: Shared,
    /// Its downloads.
    pub downloads: Downloads,
    /// Its uploads.
    pub uploads: Uploads,
    /// Bytes of files that went between it and others.
    pub exchanged: Exchanged,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Whether others get what it fetches.
    pub give_back: GiveBack,
}

/// Whether others get what a node fetches, beside what it shares.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GiveBack {
    /// While it is fetched, and after that as long as the node runs.
    Always,
    /// While it is fetched.
    WhileDownloading,
    /// Not at all.
    Never,
}

/// Whether strangers reach a node; `null` while it is not known.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Reachable {
    /// With connections.
    pub tcp: Option<bool>,
    /// With datagrams.
    pub udp: Option<bool>,
}

/// How many neighbours a node has.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Neighbours {
    /// Those that relay for others.
    pub ultrapeers: usize,
    /// Those that do not.
    pub leaves: usize,
}

/// What a node shares.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// Files found.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that are hashed, so that others can find them.
    pub hashed: u64,
}

/// How many downloads a node has.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Downloads {
    /// Running, or looking for sources.
    pub active: usize,
    /// Waiting.
    pub queued: usize,
    /// Complete.
    pub done: usize,
}

/// How many uploads a node has.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Uploads {
    /// Running.
    pub active: usize,
    /// Waiting.
    pub queued: usize,
}

/// Bytes of files that went between a node and others since it started.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Exchanged {
    /// Given to others.
    pub given: u64,
    /// Taken from others, and found right.
    pub taken: u64,
}

/// A neighbour.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// The address at the other end of the link.
    pub address: SocketAddr,
    /// Its place in the overlay.
    pub role: Role,
    /// Who dialled.
    pub direction: Direction,
    /// What it calls itself.
    pub agent: String,
    /// Whether the link is encrypted.
    pub tls: bool,
    /// Whether the link is compressed.
    pub compressed: bool,
    /// Seconds since it became a neighbour.
    pub since_s: u64,
    /// Bytes sent to it.
    pub sent: u64,
    /// Bytes that came from it.
    pub received: u64,
}

/// A place in the overlay.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Relays for others.
    Ultrapeer,
    /// Lets an ultrapeer relay.
    Leaf,
}

/// Who dialled a link.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The neighbour.
    Incoming,
    /// The node.
    Outgoing,
}

/// The wish for a neighbour.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ConnectRequest {
    /// Where it listens.
    pub address: SocketAddr,
}

impl From<state::Status> for Status {
    fn from(status: state::Status) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            role: status.role.into(),
            network: status.network,
            listen: status.listen,
            connected: status.ultrapeers + status.leaves > 0,
            why: status.why,
            neighbours: Neighbours {
                ultrapeers: status.ultrapeers,
                leaves: status.leaves,
            },
            reachable: Reachable {
                tcp: status.reachable.tcp,
                udp: status.reachable.udp,
            },
            shared: Shared {
                files: status.files,
                bytes: status.bytes,
                hashed: status.hashed,
            },
            downloads: Downloads {
                active: status.downloads_active,
                queued: status.downloads_queued,
                done: status.downloads_done,
            },
            uploads: Uploads {
                active: status.uploads_active,
                queued: status.uploads_queued,
            },
            exchanged: Exchanged {
                given: status.meter.taken,
                taken: status.meter.given,
            },
            uptime_s: status.uptime.as_secs(),
            give_back: match status.give_back {
                node::GiveBack::Always => GiveBack::Always,
                node::GiveBack::WhileDownloading => GiveBack::WhileDownloading,
                node::GiveBack::Never => GiveBack::Never,
            },
        }
    }
}

impl From<state::Peer> for Peer {
    fn from(peer: state::Peer) -> Self {
        Self {
            address: peer.address,
            role: peer.role.into(),
            direction: match peer.direction {
                state::Direction::Incoming => Direction::Incoming,
                state::Direction::Outgoing => Direction::Outgoing,
            },
            agent: peer.agent,
            tls: peer.tls,
            compressed: peer.compressed,
            since_s: peer.since.as_secs(),
            sent: peer.sent,
            received: peer.received,
        }
    }
}

impl From<state::Role> for Role {
    fn from(role: state::Role) -> Self {
        match role {
            state::Role::Ultrapeer => Self::Ultrapeer,
            state::Role::Leaf => Self::Leaf,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_status_has_the_shape_of_the_contract() {
        let status = Status::from(state::Status {
            role: state::Role::Ultrapeer,
            network: None,
            listen: ([127, 0, 0, 1], 6346).into(),
            why: None,
            ultrapeers: 2,
            leaves: 1,
            reachable: node::Reachability {
                tcp: Some(true),
                udp: None,
            },
            files: 3,
            bytes: 4096,
            hashed: 2,
            downloads_active: 1,
            downloads_queued: 0,
            downloads_done: 5,
            uploads_active: 1,
            uploads_queued: 2,
            meter: node::Meter { given: 7, taken: 9 },
            give_back: node::GiveBack::WhileDownloading,
            uptime: Duration::from_millis(61_500),
        });
        let expected = format!(
            concat!(
                r#"{{"version":"{}","role":"ultrapeer","network":null,"listen":"127.0.0.1:6346","#,
                r#""connected":true,"why":null,"neighbours":{{"ultrapeers":2,"leaves":1}},"#,
                r#""reachable":{{"tcp":true,"udp":null}},"#,
                r#""shared":{{"files":3,"bytes":4096,"hashed":2}},"#,
                r#""downloads":{{"active":1,"queued":0,"done":5}},"#,
                r#""uploads":{{"active":1,"queued":2}},"exchanged":{{"given":9,"taken":7}},"#,
                r#""uptime_s":61,"give_back":"while-downloading"}}"#,
            ),
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(serde_json::to_string(&status).unwrap(), expected);
        assert_eq!(serde_json::from_str::<Status>(&expected).unwrap(), status);
    }

    #[test]
    fn a_peer_has_the_shape_of_the_contract() {
        let peer = Peer::from(state::Peer {
            servent: None,
            address: ([192, 0, 2, 1], 6346).into(),
            role: state::Role::Leaf,
            direction: state::Direction::Outgoing,
            agent: "TEST/0.1".into(),
            tls: false,
            compressed: false,
            since: Duration::from_secs(9),
            sent: 10,
            received: 20,
        });
        assert_eq!(
            serde_json::to_string(&peer).unwrap(),
            concat!(
                r#"{"address":"192.0.2.1:6346","role":"leaf","direction":"outgoing","#,
                r#""agent":"TEST/0.1","tls":false,"compressed":false,"#,
                r#""since_s":9,"sent":10,"received":20}"#,
            )
        );
    }
}
