//! What a download is given, what it tells, and how it ends.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::net::handshake::Tls;
use crate::net::network::Network;
use crate::swarm;
use crate::swarm::download::QueuePlace;
use crate::transfer::call_back::{CallBack, Way};
use crate::transfer::exchange::Exchange;
use crate::transfer::throttle::Throttle;
use crate::transfer::web_seed::WebSeeds;
use crate::transfer::{disk, source};
use crate::wire::Guid;
use crate::wire::address::is_private;
use crate::wire::urn::{Sha1, TigerRoot};

/// What to fetch, from whom, and where to put it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The content, which decides whether the download has succeeded.
    pub sha1: Sha1,
    /// Bytes of the whole file.
    pub size: u64,
    /// The name to give it, as a stranger wrote it; it is made safe here.
    pub name: String,
    /// The root of its tiger tree, if it is known.
    pub root: Option<TigerRoot>,
    /// Whether who asks for the file vouches for that root, as it came with the SHA-1.
    pub proven: bool,
    /// Who has it, best first.
    pub sources: Vec<Source>,
    /// Which sources are web servers; more may be noted while the download runs, before they are
    /// offered.
    pub web_seeds: Arc<WebSeeds>,
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
    /// Who has sources connect to us that cannot be dialled.
    pub call_back: Option<Arc<dyn CallBack>>,
    /// Where this servent takes requests itself.
    pub own: Option<SocketAddr>,
    /// Whether sources may be at private addresses.
    pub private: bool,
    /// Where others get what is there of the file meanwhile, if they may.
    pub exchange: Option<Arc<Exchange>>,
    /// The address at which sources are told that we give it, if anybody can reach us.
    pub announce: Option<SocketAddr>,
}

impl Job {
    /// Whether others could be sent to a source.
    pub(super) fn is_open(&self, address: SocketAddr) -> bool {
        let back = self.call_back.as_ref();
        // A web server knows nothing of those who would come.
        if self.web_seeds.contains(address) {
            return false;
        }
        back.map_or(Way::Dial, |back| back.way(address)).is_open()
    }

    /// Whether a source that others told of may be asked.
    pub(super) fn may_ask(&self, address: SocketAddr) -> bool {
        Some(address) != self.own && (self.private || !is_private(address.ip()))
    }
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
    /// For a connection, before a source that can be called is called as well.
    pub head_start: Duration,
    /// For the headers of an answer.
    pub headers: Duration,
    /// For the next byte of a body.
    pub stall: Duration,
    /// How long the connection to a source that is asked for nothing stays open.
    pub idle: Duration,
    /// Bytes that stay free on the disk of unfinished files.
    pub keep_free: u64,
    /// Whether what comes is compared with hashes. Without that it is delivered as it came, and given
    /// to nobody: only to measure what comparing costs.
    pub verify: bool,
    /// Limits on bytes a second that the download keeps to.
    pub throttles: Vec<Arc<Throttle>>,
    /// How sources are chosen, and how often they are tried.
    pub swarm: swarm::download::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            head_start: Duration::from_secs(2),
            headers: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            keep_free: 0,
            verify: true,
            throttles: Vec::new(),
            swarm: swarm::download::Settings::default(),
        }
    }
}

/// What a download tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Bytes that an earlier run had fetched.
    Resumed {
        /// How many.
        bytes: u64,
    },
    /// A source is dialled.
    Connecting {
        /// Which.
        source: SocketAddr,
    },
    /// How far it is.
    Standing(Standing),
    /// A source failed; another or the same one follows.
    Failed {
        /// Which.
        source: SocketAddr,
        /// Why, for a log.
        reason: String,
    },
    /// Sources that may be asked, best first, as others are known now.
    Sources(Vec<SocketAddr>),
    /// In whose queues we wait, the nearest place first, where that has changed.
    Queues(Vec<(SocketAddr, QueuePlace)>),
    /// Nobody is left who could be asked: it waits for others to be offered.
    Exhausted {
        /// Whether what came was not the file.
        lied: bool,
        /// What each source did, for people.
        reason: String,
    },
    /// A source sent a tile that is right.
    Gave {
        /// Which.
        source: SocketAddr,
        /// By which key it has proven who it is, if it has.
        key: Option<[u8; 32]>,
        /// How many bytes it has.
        bytes: u64,
    },
    /// All bytes are there and are being verified.
    Verifying,
    /// A source sent wrong bytes and is asked no more.
    Blamed {
        /// Which.
        source: SocketAddr,
        /// The tile that shows it, where it is one.
        tile: Option<u32>,
    },
    /// The bytes were not the file; some of them are fetched again, to find out whose were wrong.
    Rejected {
        /// Who sent them.
        sources: Vec<SocketAddr>,
    },
}

/// How far a download is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Bytes that are there.
    pub received: u64,
    /// Of these, bytes that are known to be right.
    pub verified: u64,
    /// Bytes that came in this run, whatever became of them.
    pub came: u64,
    /// Sources that may be asked.
    pub known: usize,
    /// Of these, those that are being asked.
    pub active: usize,
}

/// A finished download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Where the file is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Who sent the last of it; the first source where all of it had been there before, if there is
    /// one.
    pub from: Option<SocketAddr>,
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
    #[error("no source gives the file: {}", listed(.failures))]
    NoSource {
        /// What each did; empty if there was none at all.
        failures: Vec<Failure>,
    },
    /// All bytes arrived and are not the file asked for, and no other source is left.
    #[error("the bytes received do not have the SHA-1 {sha1}: {}", listed(.failures))]
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

impl Error {
    /// What each source did.
    pub(super) fn into_failures(self) -> Vec<Failure> {
        match self {
            Self::NoSource { failures } | Self::Verification { failures, .. } => failures,
            Self::Disk(_) => Vec::new(),
        }
    }
}

fn listed(failures: &[Failure]) -> String {
    if failures.is_empty() {
        return "there is none".to_owned();
    }
    let failures: Vec<_> = failures.iter().map(ToString::to_string).collect();
    failures.join("; ")
}
