//! What a node says of itself: plain values, copied out under a lock.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::node::GiveBack;
use crate::overlay;
use crate::transfer::upload::Meter;
use crate::wire::Guid;
use crate::wire::address::Reach;
use crate::wire::collection::Key;
use crate::wire::urn::{Sha1, TigerRoot};

/// The state of a node.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its place in the overlay.
    pub role: Role,
    /// The name of the overlay it keeps to; without one, the public network.
    pub network: Option<String>,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Why it has no neighbour, when it has none.
    pub why: Option<String>,
    /// Neighbours that are ultrapeers.
    pub ultrapeers: usize,
    /// Neighbours that are leaves.
    pub leaves: usize,
    /// Whether strangers reach it.
    pub reachable: overlay::Reachability,
    /// Files found in the shared directories.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that are hashed, so that others can find them.
    pub hashed: u64,
    /// Downloads that run or look for sources.
    pub downloads_active: usize,
    /// Downloads that wait.
    pub downloads_queued: usize,
    /// Downloads that are complete.
    pub downloads_done: usize,
    /// Uploads that run.
    pub uploads_active: usize,
    /// How many wait for one.
    pub uploads_queued: usize,
    /// Bytes of files that others gave and took since the start.
    pub meter: Meter,
    /// Whether others get what it fetches.
    pub give_back: GiveBack,
    /// Time since the node started.
    pub uptime: Duration,
}

/// A place in the overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Relays for others.
    Ultrapeer,
    /// Lets an ultrapeer relay.
    Leaf,
}

impl From<overlay::Role> for Role {
    fn from(role: overlay::Role) -> Self {
        match role {
            overlay::Role::Ultrapeer => Self::Ultrapeer,
            overlay::Role::Leaf => Self::Leaf,
        }
    }
}

/// A neighbour.
#[derive(Clone, Debug)]
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
    /// Who it says it is.
    pub servent: Option<Guid>,
    /// How long it has been a neighbour.
    pub since: Duration,
    /// Bytes sent to it.
    pub sent: u64,
    /// Bytes that came from it.
    pub received: u64,
}

/// Who dialled a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The neighbour.
    Incoming,
    /// This node.
    Outgoing,
}

/// A search and what it found so far.
#[derive(Clone, Debug)]
pub struct SearchState {
    /// Its number.
    pub id: u64,
    /// What was asked.
    pub query: String,
    /// Rises with every change.
    pub version: u64,
    /// Whether hits are still taken.
    pub state: SearchPhase,
    /// What was found, in the order of arrival; each content once.
    pub results: Vec<Found>,
}

/// Whether a search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchPhase {
    /// Hits are taken.
    Searching,
    /// Its time is over, or it was cancelled.
    Finished,
}

/// One content that a search found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its number in this node, by which it can be fetched.
    pub number: u64,
    /// The name that came first.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-1, where the hit told it.
    pub sha1: Option<Sha1>,
    /// Root of the Tiger tree, where the hit told it.
    pub tiger_root: Option<TigerRoot>,
    /// The fewest links between this node and a holder, as a hit told: 1 is a direct neighbour.
    pub hops: u8,
    /// Who has it.
    pub sources: Vec<Source>,
}

/// Who has a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it serves.
    pub address: SocketAddr,
    /// The servent.
    pub servent: Guid,
    /// Its number for the file.
    pub index: u32,
    /// How many links away its hit came from.
    pub hops: u8,
    /// Its vendor code.
    pub vendor: String,
    /// Whether it says that nobody can connect to it.
    pub firewalled: bool,
    /// Whether it is a Filbert that takes TLS from the first byte. Of others that say they take TLS
    /// some wait for it in vain.
    pub tls: bool,
    /// Who hands on pushes to it.
    pub proxies: Vec<Reach>,
}

/// A download.
#[derive(Clone, Debug)]
pub struct DownloadState {
    /// Its number.
    pub id: u64,
    /// Rises with every change.
    pub version: u64,
    /// The name it will have.
    pub name: String,
    /// Size in bytes; 0 until a source told it.
    pub size: u64,
    /// What it must hash to.
    pub sha1: Sha1,
    /// How far it is.
    pub phase: DownloadPhase,
    /// How soon it gets a place among those that run.
    pub priority: Priority,
    /// Bytes that came.
    pub received: u64,
    /// Bytes that are known to be right.
    pub verified: u64,
    /// Bytes a second, lately.
    pub rate: u64,
    /// Sources known.
    pub sources_known: usize,
    /// Sources that serve now.
    pub sources_active: usize,
    /// Sources in whose queues we wait, the nearest place first.
    pub queues: Vec<Waiting>,
    /// Sources that sent wrong bytes in this run, the last ones.
    pub liars: Vec<SocketAddr>,
    /// Where the file lies, once it is complete.
    pub path: Option<PathBuf>,
    /// Why it does not go on, where something is in its way.
    pub error: Option<Failure>,
    /// Of a collection whose text is there: how far its files are. Size and bytes are theirs then.
    pub collection: Option<CollectionState>,
    /// The number of the collection that it is part of.
    pub part_of: Option<u64>,
}

/// A collection on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionState {
    /// Who signed it.
    pub signer: Key,
    /// Its files.
    pub files: usize,
    /// Those of them that are complete.
    pub done: usize,
}

/// A place in the queue of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The source.
    pub address: SocketAddr,
    /// From 1, if it says.
    pub position: Option<u32>,
    /// How many wait there, if it says.
    pub length: Option<u32>,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// After all others.
    Low,
    /// In the order they were asked for.
    #[default]
    Normal,
    /// Before all others.
    High,
}

impl DownloadPhase {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// Why a download failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of trouble.
    pub kind: FailureKind,
    /// What happened, to what, and what to do.
    pub message: String,
}

/// What kind of trouble ended a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Nobody has it.
    NoSource,
    /// What came does not hash to what was asked.
    Verification,
    /// No space left.
    NoSpace,
    /// The disk refused otherwise.
    Disk,
    /// Sources could not be reached, or broke off.
    Network,
}
