//! Downloads.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Code;
use crate::node::state;

/// A download.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Download {
    /// Its number.
    pub id: u64,
    /// The name it will have.
    pub name: String,
    /// Size in bytes; 0 until a source told it.
    pub size: u64,
    /// What it must hash to, in base32.
    pub sha1: String,
    /// How far it is.
    pub state: DownloadPhase,
    /// How soon it gets a place among those that run.
    pub priority: Priority,
    /// Bytes that are known to be right.
    pub verified: u64,
    /// Bytes a second, lately.
    pub rate: u64,
    /// Who serves it.
    pub sources: DownloadSources,
    /// Where the file lies, once it is complete.
    pub path: Option<PathBuf>,
    /// Why it does not go on, where something is in its way.
    pub error: Option<String>,
    /// The same as a short word that does not change.
    pub error_code: Option<Code>,
    /// Bytes that came, verified or not.
    pub received: u64,
    /// Rises with every change.
    pub version: u64,
    /// Of a collection whose text is there: how far its files are. Size and bytes are theirs then,
    /// and the path is that of its folder.
    #[serde(default)]
    pub collection: Option<CollectionProgress>,
    /// The number of the collection that it is part of.
    #[serde(default)]
    pub part_of: Option<u64>,
}

/// How far the files of a collection are.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct CollectionProgress {
    /// The fingerprint of the key that signed it.
    pub signer: String,
    /// How many files it has.
    pub files: usize,
    /// How many of them are complete.
    pub done: usize,
}

impl Download {
    /// The nearest place in a queue, where nobody serves it meanwhile.
    #[must_use]
    pub fn waits(&self) -> Option<&Waiting> {
        let first = self.sources.queues.first();
        first.filter(|_| self.rate == 0 && !self.state.is_over())
    }
}

/// How far a download is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DownloadPhase {
    /// As many as may run at once do; it begins when one of them makes room.
    Queued,
    /// It looks for its first source.
    Searching,
    /// A source serves it.
    Active,
    /// Nobody is left who could be asked; it looks for others and goes on by itself.
    Waiting,
    /// The user stopped it, or the disk is in the way; then it tries again by itself.
    Paused,
    /// It lies under its name, verified.
    Done,
    /// There is no such file. It goes on only if the user says so.
    Failed,
}

/// How soon a download gets a place among those that run.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// After all others.
    Low,
    /// In the order they were asked for.
    Normal,
    /// Before all others.
    High,
}

/// What is to become of a download; what is left out stays.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DownloadChange {
    /// Whether it is stopped.
    pub paused: Option<bool>,
    /// How soon it gets a place among those that run.
    pub priority: Option<Priority>,
}

impl DownloadPhase {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// How many sources a download has.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct DownloadSources {
    /// Known.
    pub known: usize,
    /// Serving now.
    pub active: usize,
    /// Those that sent wrong bytes in this run and are asked no more, the last ones.
    #[serde(default)]
    pub liars: Vec<SocketAddr>,
    /// Those in whose queues it waits, the nearest place first.
    #[serde(default)]
    pub queues: Vec<Waiting>,
}

/// A place in the queue of a source.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The source.
    pub address: SocketAddr,
    /// From 1, if it says.
    pub position: Option<u32>,
    /// How many wait there, if it says.
    pub length: Option<u32>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("queued")?;
        if let Some(position) = self.position {
            write!(f, " {position}")?;
        }
        if let Some(length) = self.length {
            write!(f, " of {length}")?;
        }
        write!(f, " at {}", self.address)
    }
}

/// The wish for a download.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct GetRequest {
    /// The number of a result, a magnet link, a `urn:…` or a URL, as [`parse_target`](super::parse_target)
    /// reads it; or the absolute path of a collection, which is read where the node runs.
    pub target: String,
    /// The folder for the file, absolute; without one, the node's own.
    #[serde(default)]
    pub dir: Option<PathBuf>,
}

impl From<state::DownloadState> for Download {
    fn from(download: state::DownloadState) -> Self {
        let (error, error_code) = match download.error {
            None => (None, None),
            Some(failure) => (Some(failure.message), Some(failure.kind.into())),
        };
        Self {
            id: download.id,
            name: download.name,
            size: download.size,
            sha1: download.sha1.to_string(),
            state: download.phase.into(),
            priority: download.priority.into(),
            verified: download.verified,
            rate: download.rate,
            sources: DownloadSources {
                known: download.sources_known,
                active: download.sources_active,
                liars: download.liars,
                queues: download.queues.into_iter().map(Waiting::from).collect(),
            },
            path: download.path,
            error,
            error_code,
            received: download.received,
            version: download.version,
            collection: download.collection.map(|collection| CollectionProgress {
                signer: collection.signer.fingerprint(),
                files: collection.files,
                done: collection.done,
            }),
            part_of: download.part_of,
        }
    }
}

impl From<state::Waiting> for Waiting {
    fn from(waiting: state::Waiting) -> Self {
        Self {
            address: waiting.address,
            position: waiting.position,
            length: waiting.length,
        }
    }
}

impl From<state::DownloadPhase> for DownloadPhase {
    fn from(phase: state::DownloadPhase) -> Self {
        match phase {
            state::DownloadPhase::Queued => Self::Queued,
            state::DownloadPhase::Searching => Self::Searching,
            state::DownloadPhase::Active => Self::Active,
            state::DownloadPhase::Waiting => Self::Waiting,
            state::DownloadPhase::Paused => Self::Paused,
            state::DownloadPhase::Done => Self::Done,
            state::DownloadPhase::Failed => Self::Failed,
        }
    }
}

impl From<state::Priority> for Priority {
    fn from(priority: state::Priority) -> Self {
        match priority {
            state::Priority::Low => Self::Low,
            state::Priority::Normal => Self::Normal,
            state::Priority::High => Self::High,
        }
    }
}

impl From<Priority> for state::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Low => Self::Low,
            Priority::Normal => Self::Normal,
            Priority::High => Self::High,
        }
    }
}

impl From<state::FailureKind> for Code {
    fn from(kind: state::FailureKind) -> Self {
        match kind {
            state::FailureKind::NoSource => Self::NoSource,
            state::FailureKind::Verification => Self::Verification,
            state::FailureKind::NoSpace => Self::NoSpace,
            state::FailureKind::Disk => Self::Disk,
            state::FailureKind::Network => Self::Network,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_has_the_shape_of_the_contract() {
        let download = Download::from(state::DownloadState {
            id: 3,
            version: 9,
            name: "hello.txt".into(),
            size: 11,
            sha1: "FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN".parse().unwrap(),
            phase: state::DownloadPhase::Failed,
            priority: state::Priority::High,
            received: 6,
            verified: 0,
            rate: 0,
            sources_known: 2,
            sources_active: 0,
            queues: vec![state::Waiting {
                address: "1.2.3.4:6".parse().unwrap(),
                position: Some(3),
                length: Some(12),
            }],
            liars: vec!["1.2.3.4:5".parse().unwrap()],
            path: None,
            error: Some(state::Failure {
                kind: state::FailureKind::NoSpace,
                message: "no space left in /tmp".into(),
            }),
            collection: Some(state::CollectionState {
                signer: crate::wire::collection::Key([7; 32]),
                files: 3,
                done: 1,
            }),
            part_of: None,
        });
        assert_eq!(
            serde_json::to_string(&download).unwrap(),
            concat!(
                r#"{"id":3,"name":"hello.txt","size":11,"sha1":"FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN","#,
                r#""state":"failed","priority":"high","verified":0,"rate":0,"sources":{"known":2,"active":0,"#,
                r#""liars":["1.2.3.4:5"],"queues":[{"address":"1.2.3.4:6","position":3,"length":12}]},"#,
                r#""path":null,"error":"no space left in /tmp","error_code":"no_space","#,
                r#""received":6,"version":9,"#,
                r#""collection":{"signer":"A4DQ-OBYH-A4DQ-OBYH","files":3,"done":1},"part_of":null}"#,
            )
        );
        let nearest = download.sources.queues[0].to_string();
        assert_eq!(nearest, "queued 3 of 12 at 1.2.3.4:6");
    }
}
