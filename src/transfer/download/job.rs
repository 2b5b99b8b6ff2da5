//! What a download is given, what it tells, and how it ends.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::net::handshake::Tls;
use crate::net::network::Network;
use crate::transfer::{disk, source};
use crate::wire::Guid;
use crate::wire::urn::Sha1;

/// What to fetch, from whom, and where to put it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The content, which decides whether the download has succeeded.
    pub sha1: Sha1,
    /// Bytes of the whole file.
    pub size: u64,
    /// The name to give it, as a stranger wrote it; it is made safe here.
    pub name: String,
    /// Who has it, best first.
    pub sources: Vec<Source>,
    /// The folder of unfinished files.
    pub incomplete: PathBuf,
    /// The folder the finished file goes to.
    pub target: PathBuf,
    /// The own address to dial from, if it matters.
    pub from: Option<IpAddr>,
    /// Whether to speak TLS to sources.
    pub tls: Tls,
    /// The overlay that sources must belong to; without one, the public network.
    pub network: Option<Network>,
}

/// A servent that says it has the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it takes requests.
    pub address: SocketAddr,
    /// The number of the file in its hit.
    pub index: u32,
    /// The name of the file in its hit.
    pub name: String,
    /// Its GUID, by which it can be pushed.
    pub servent: Guid,
}

/// How long to wait and how often to try.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For a connection.
    pub connect: Duration,
    /// For the headers of an answer.
    pub headers: Duration,
    /// For the next byte of a body.
    pub stall: Duration,
    /// Connections in a row that may break before a source is given up.
    pub attempts: u32,
    /// Pause before the second connection to a source, twice as long before the third, and so on.
    pub retry_delay: Duration,
    /// Bytes after which a connection that breaks counts as the first one again.
    pub worthwhile: u64,
    /// Times a busy source is asked again.
    pub refusals: u32,
    /// Pause before a busy source that does not say when is asked again.
    pub busy_delay: Duration,
    /// The longest pause that a busy source may ask for; with a longer one it is given up.
    pub longest_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            headers: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            attempts: 3,
            retry_delay: Duration::from_secs(1),
            worthwhile: 64 * 1024,
            refusals: 10,
            busy_delay: Duration::from_secs(60),
            longest_wait: Duration::from_secs(20 * 60),
        }
    }
}

/// What a download tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Bytes that an earlier run has left.
    Resumed {
        /// How many.
        bytes: u64,
    },
    /// A source is dialled.
    Connecting {
        /// Which.
        source: SocketAddr,
    },
    /// A source has begun to answer with the file.
    Receiving {
        /// Which.
        source: SocketAddr,
    },
    /// More has been written.
    Received {
        /// Bytes there now, of the whole.
        bytes: u64,
    },
    /// A source failed; another or the same one follows.
    Failed {
        /// Which.
        source: SocketAddr,
        /// Why, for a log.
        reason: String,
    },
    /// Nothing can be asked of anybody for a while.
    Waiting {
        /// Who is asked then.
        source: SocketAddr,
        /// How long.
        pause: Duration,
    },
    /// All bytes are there and are being verified.
    Verifying,
    /// The bytes were not the file, and are gone.
    Rejected {
        /// Who sent them.
        sources: Vec<SocketAddr>,
    },
}

/// A finished download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Where the file is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Who sent the last of it; the first source where all of it had been there before.
    pub from: SocketAddr,
}

/// What one source did.
#[derive(Debug, Error)]
#[error("{address}: {error}")]
pub struct Failure {
    /// Who.
    pub address: SocketAddr,
    /// What was wrong in the end.
    #[source]
    pub error: source::Error,
}

/// Why a download ended without the file.
#[derive(Debug, Error)]
pub enum Error {
    /// No source gave it. What had arrived is kept.
    #[error("no source gives the file: {}; search again for others", listed(.failures))]
    NoSource {
        /// What each did; empty if there was none at all.
        failures: Vec<Failure>,
    },
    /// All bytes arrived and are not the file asked for, and no other source is left.
    #[error("the bytes received do not have the SHA-1 {sha1} and were thrown away: {}", listed(.failures))]
    Verification {
        /// What was asked for.
        sha1: Sha1,
        /// Who sent the wrong bytes.
        sources: Vec<SocketAddr>,
        /// What each source did.
        failures: Vec<Failure>,
    },
    /// The own disk failed. What had arrived is kept.
    #[error(transparent)]
    Disk(#[from] disk::Error),
}

fn listed(failures: &[Failure]) -> String {
    if failures.is_empty() {
        return "there is none".to_owned();
    }
    let failures: Vec<_> = failures.iter().map(ToString::to_string).collect();
    failures.join("; ")
}
