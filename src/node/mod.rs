//! The live servent: owns a state machine, feeds it, and carries out what it asks.
//!
//! A [`Node`] is built with [`Node::builder`] and lives until it is stopped. It holds the clock,
//! the sockets' tasks and the one lock around the core; readers decode whole batches, enter the
//! core once a batch, and leave; a slow neighbour costs its own outbox only. Devnet, tests and
//! the control plane start nodes through the builder only.
//!
//! - `builder`: settings to a running node; `prepare`: its home; `links`: the one port, handshakes, neighbours;
//! - `errands`: datagrams, and connections that others ask for;
//! - `gate`: who belongs to the overlay at all; `push_proxy`: who asks us to hand on a push;
//! - `browse`: the list of what is shared, ours and that of others;
//! - `callees`, `call_back`: who connects to us because we push it; `turns`: because it is our turn;
//! - `lan`: servents of the local network; `caches`: host caches that the user named;
//! - `memory`: what is remembered from run to run;
//! - `core`: the servent and its links under one lock; `outbox`: what waits for a neighbour;
//! - `searches`, `downloads`: what the user asked for, and how far it is; `ledger`: what is kept of
//!   a download; `uploads`: what others get, and what that is to whose credit;
//!   `rates`: what both may take now; `wishes`: what is searched for again and again;
//! - `collection`: whose signature is on a set of files, and ours; `secret`: keys in the home;
//! - `state`: what a node says of itself; `record`: what it saw; `foresight`: what queries would reach.

mod browse;
mod builder;
mod caches;
mod call_back;
mod callees;
mod changes;
pub mod collection;
mod core;
mod downloads;
mod errands;
mod error;
mod foresight;
mod gate;
mod greeting;
mod ground;
#[cfg(feature = "tls")]
mod identity;
mod lan;
mod ledger;
mod links;
mod memory;
mod outbox;
mod prepare;
mod push_proxy;
mod rates;
mod record;
mod search;
mod searches;
mod secret;
pub mod state;
mod stop;
#[cfg(test)]
mod transcript;
mod turns;
mod uploads;
mod wish;
mod wishes;

use std::cell::Cell;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{self, Either, FutureExt};

#[cfg(feature = "tls")]
pub use builder::Encryption;
pub use builder::{Builder, GiveBack, PORT};
pub use downloads::{DownloadLimits, Target};
pub use error::Error;
pub use search::Search;
pub use searches::{Hit, SearchLimits};
pub use wish::Wish;
pub use wishes::{MOST_FETCHED, MOST_WISHES, WishPhase, WishState};

pub use crate::library::{ShareState, Stage};
pub use crate::net::network::{Network, Unfit};
pub use crate::overlay::stats::{Sample, SampleKind};
pub use crate::overlay::whatif::{Blind, Estimate, Forecast, MAX_TTL};
pub use crate::overlay::{Mode, Profile, Reachability};
pub use crate::transfer::schedule::{Rates, Span};
pub use crate::transfer::upload::Limits as UploadLimits;
pub use crate::transfer::upload::{
    Equal, GiveAndTake, Listed as UploadState, Meter, Policy as CreditPolicy, QueueSettings,
};

use self::callees::Callees;
use self::changes::Changes;
use self::core::Core;
use self::downloads::{Allowance, Downloads};
use self::prepare::Temporary;
use self::state::{DownloadPhase, Peer, Role, Status};
use self::stop::Stop;
use self::turns::Turns;
use self::wishes::Wishes;
use crate::library::Library;
use crate::net::handshake::Policy;
use crate::net::sniff::Sniffer;
use crate::overlay::Stats;
use crate::overlay::membership::UploadSlots;
use crate::runtime;
use crate::store::Store;
use crate::transfer::call_back::Called;
use crate::transfer::exchange::Exchange;
use crate::transfer::upload::Uploads;
use crate::wire::Guid;

/// How often deadlines are looked at: as fine as the finest of them.
const TICK: Duration = Duration::from_millis(250);
/// How often the shared directories are looked through again.
const RESCAN: Duration = Duration::from_secs(60 * 60);
/// How often neighbours hear of files that a long scan has hashed so far.
const RETELL: Duration = Duration::from_secs(60);
/// How long a stop waits for goodbyes to be read.
const PARTING: Duration = Duration::from_secs(3);

/// A running servent. Clones are the same node; it runs until [`stop`](Self::stop).
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    guid: Guid,
    address: SocketAddr,
    home: PathBuf,
    download_directory: PathBuf,
    incomplete_directory: PathBuf,
    dial_from: Option<IpAddr>,
    core: Mutex<Core>,
    downloads: Mutex<Downloads>,
    /// Bytes that downloads leave free on their disk.
    keep_free: u64,
    /// The first pause after which a download tries the disk again that stopped it.
    disk_pause: Duration,
    /// Whether downloads are compared with their hashes.
    verify: bool,
    /// Things under way for downloads.
    downloads_busy: AtomicU64,
    /// Held while a download is written down.
    keeping: Mutex<()>,
    /// Searches that downloads may begin by themselves.
    allowance: Mutex<Allowance>,
    wishes: Wishes,
    uploads: Arc<Uploads>,
    exchange: Arc<Exchange>,
    /// Whether others may see the list of what is shared, and who did.
    shows_list: bool,
    visits: browse::Visits,
    /// What transfers may take now.
    limits: rates::Limits,
    /// Whether others get what is fetched.
    give_back: GiveBack,
    library: Arc<Library>,
    store: Arc<Store>,
    started: Instant,
    /// How much of the time since then was written down.
    counted: Mutex<Duration>,
    sniffer: Sniffer,
    policy: Policy,
    /// The overlay it keeps to; without one, the public network.
    network: Option<Network>,
    /// Servents of the local network are looked for.
    lan: bool,
    /// Connections that have not yet said what they want.
    opening: AtomicU64,
    /// Connections that speak HTTP.
    serving: AtomicU64,
    /// Connections opened because others asked for them.
    outside: AtomicU64,
    /// Why the last attempt to reach a servent failed.
    why: Mutex<Option<String>>,
    peers: Vec<SocketAddr>,
    stop: Stop,
    links_changed: Changes,
    found: Changes,
    downloads_changed: Changes,
    shared_changed: Changes,
    /// Who can be had to connect to us, and who is waited for.
    callees: Mutex<Callees<Called>>,
    /// Queues of others in which we wait.
    turns: Mutex<Turns<Called>>,
    /// Whether connections are taken that others open.
    inbound: bool,
    /// The home, when it is to go with the node.
    temporary: Mutex<Option<Temporary>>,
}

/// Counters of a node since it started.
#[derive(Clone, Debug)]
pub struct Counters {
    /// What the servent counted.
    pub stats: Stats,
    /// QUERY descriptors sent: one for each neighbour that got one.
    pub queries_sent: u64,
    /// Bytes sent over links that are open.
    pub bytes_sent: u64,
    /// Descriptors dropped because a neighbour, still linked, was too slow.
    pub queue_drops: u64,
    /// What the servent holds now.
    pub gauges: Vec<Sample>,
    /// What came of its uploads.
    pub uploads: Vec<Sample>,
    /// What came of its places in the queues of others.
    pub turns: Vec<Sample>,
}

impl Counters {
    /// All of it under the names by which metrics know it, those of a family one after the other.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = self.stats.samples();
        for (name, help, value) in [
            (
                "link_bytes_sent",
                "bytes sent over links that are open",
                self.bytes_sent,
            ),
            (
                "queue_drops",
                "descriptors that slow neighbours missed",
                self.queue_drops,
            ),
        ] {
            samples.push(Sample {
                kind: SampleKind::Gauge,
                ..Sample::counter(name, help, value)
            });
        }
        samples.extend(self.gauges.iter().cloned());
        samples.extend(self.uploads.iter().cloned());
        samples.extend(self.turns.iter().cloned());
        samples
    }
}

impl Node {
    /// Begins to describe a node.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Who it is.
    #[must_use]
    pub fn guid(&self) -> Guid {
        self.0.guid
    }

    /// Where it keeps its state.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.0.home
    }

    /// Its neighbours.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        let core = self.0.core();
        let peer = |neighbour: &core::Neighbour| Peer {
            address: neighbour.address,
            role: neighbour.role,
            direction: neighbour.direction,
            agent: neighbour.agent.clone(),
            tls: neighbour.tls,
            compressed: neighbour.compressed,
            since: neighbour.since.elapsed(),
            servent: neighbour.servent,
            sent: neighbour.outbox.counts().0,
            received: neighbour
                .received
                .load(std::sync::atomic::Ordering::Relaxed),
        };
        core.links
            .iter()
            .map(|(_, neighbour)| peer(neighbour))
            .collect()
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        let (role, ultrapeers, leaves, reachable) = {
            let core = self.0.core();
            let leaves = core
                .links
                .iter()
                .filter(|(_, known)| known.role == Role::Leaf)
                .count();
            let ultrapeers = core.links.len() - leaves;
            let reachable = core.servent.reachability();
            (core.servent.role().into(), ultrapeers, leaves, reachable)
        };
        let shares = self.0.library.shares();
        let downloads = self.0.downloads();
        let count = |pick: fn(DownloadPhase) -> bool| {
            downloads.states().filter(|state| pick(state.phase)).count()
        };
        Status {
            role,
            network: self.0.network.as_ref().map(|own| own.name().to_owned()),
            listen: self.0.address,
            why: (ultrapeers + leaves == 0).then(|| self.0.why()),
            ultrapeers,
            leaves,
            reachable,
            files: shares.iter().map(|share| share.files).sum(),
            bytes: shares.iter().map(|share| share.bytes).sum(),
            hashed: shares.iter().map(|share| share.hashed).sum(),
            downloads_active: count(|phase| {
                matches!(phase, DownloadPhase::Searching | DownloadPhase::Active)
            }),
            downloads_queued: count(|phase| {
                matches!(phase, DownloadPhase::Queued | DownloadPhase::Waiting)
            }),
            downloads_done: count(|phase| phase == DownloadPhase::Done),
            uploads_active: self.0.uploads.active(),
            uploads_queued: self.0.uploads.waiting(),
            meter: self.0.uploads.meter().0,
            give_back: self.0.give_back,
            uptime: self.0.started.elapsed(),
        }
    }

    /// The directories it shares.
    #[must_use]
    pub fn shares(&self) -> Vec<ShareState> {
        self.0.library.shares()
    }

    /// What it counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let core = self.0.core();
        let sum = |pick: fn((u64, u64)) -> u64| {
            core.links
                .iter()
                .map(|(_, neighbour)| pick(neighbour.outbox.counts()))
                .sum()
        };
        Counters {
            stats: core.stats.clone(),
            queries_sent: core.queries_sent,
            bytes_sent: sum(|(sent, _)| sent),
            queue_drops: sum(|(_, dropped)| dropped),
            gauges: core.servent.gauges(),
            uploads: self.0.upload_samples(),
            turns: self.0.turns().samples().into(),
        }
    }

    /// Waits until everything in the shared directories can be found.
    pub async fn shared(&self) {
        let settled = || {
            if self.0.stop.is_stopped() {
                return Some(true);
            }
            let known =
                |share: &ShareState| matches!(share.state, Stage::Ready | Stage::Unreadable);
            Some(self.0.library.shares().iter().all(known))
        };
        self.0
            .when(&self.0.shared_changed, Duration::MAX, settled, |settled| {
                *settled
            })
            .await;
    }

    /// Ends the node: says goodbye to its neighbours and gives its home back.
    pub async fn stop(&self) {
        self.0.stop.stop();
        self.0.core().part();
        self.0.found.notify();
        let gone = || Some(self.0.core().links.is_empty());
        self.0
            .when(&self.0.links_changed, PARTING, gone, |gone| *gone)
            .await;
        self.downloads_ended(PARTING).await;
        self.remember().await;
        let recorder = self.0.core().recorder.take();
        runtime::spawn_blocking(move || drop(recorder)).await;
        self.0.library.stop();
        self.0.shared_changed.notify();
        let temporary = self.0.temporary.lock();
        let temporary = temporary.unwrap_or_else(PoisonError::into_inner).take();
        runtime::spawn_blocking(move || drop(temporary)).await;
        // Tasks that have not noticed yet may hold it a little longer.
        self.0.store.release();
    }

    /// Waits until the node is told to stop.
    pub async fn stopped(&self) {
        let _stopped = self.0.stop.stopped().await;
    }

    /// Looks at deadlines until the node stops.
    async fn keep_time(self) {
        let mut stopped = self.0.stop.stopped();
        loop {
            if let Either::Right(_) =
                future::select(runtime::sleep(TICK).boxed(), &mut stopped).await
            {
                return;
            }
            self.0.callees().expire(Instant::now());
            let (free, waiting) = self.0.uploads.room();
            let due = self.0.core().tick(UploadSlots { free, waiting });
            if due.ended {
                self.0.found.notify();
            }
            for dial in due.dials {
                runtime::spawn_detached(self.clone().dial(dial));
            }
        }
    }

    /// Looks through the shared directories, now and again, until the node stops.
    async fn keep_library(self) {
        let mut stopped = self.0.stop.stopped();
        loop {
            let scanning = {
                let node = self.clone();
                runtime::spawn_blocking(move || {
                    let told = Cell::new(Instant::now());
                    node.0.library.scan(&|_| {
                        node.0.shared_changed.notify();
                        if told.get().elapsed() >= RETELL {
                            node.0.core().share_anew();
                            told.set(Instant::now());
                        }
                    });
                    node.0.core().share_anew();
                    node.0.shared_changed.notify();
                })
            };
            scanning.await;
            let rest = runtime::sleep(RESCAN).boxed();
            if let Either::Right(_) = future::select(rest, &mut stopped).await {
                return;
            }
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("guid", &self.0.guid)
            .field("address", &self.0.address)
            .finish()
    }
}

impl Inner {
    fn core(&self) -> MutexGuard<'_, Core> {
        // A panic under the lock is a fault of ours; the tables behind it are still whole.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turns(&self) -> MutexGuard<'_, Turns<Called>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn callees(&self) -> MutexGuard<'_, Callees<Called>> {
        self.callees.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn downloads(&self) -> MutexGuard<'_, Downloads> {
        self.downloads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn keeping(&self) -> MutexGuard<'_, ()> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn allowance(&self) -> MutexGuard<'_, Allowance> {
        self.allowance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Why there is no neighbour.
    fn why(&self) -> String {
        let last = self
            .why
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match (last, self.peers.is_empty()) {
            (Some(why), _) => why,
            (None, true) if self.lan => {
                "no other servent of this network was heard on the local network".to_owned()
            }
            (None, true) if self.core().asks_caches() => {
                "no servent is known, and no host cache has named one yet".to_owned()
            }
            (None, true) => "no servent is known: name one with --peer or `filbert connect`, \
                or wait for one to connect"
                .to_owned(),
            (None, false) => "still dialling".to_owned(),
        }
    }

    /// The state once it is as wanted, or as it is after `limit`; `None` when there is none.
    async fn when<T: Send>(
        &self,
        changes: &Changes,
        limit: Duration,
        look: impl Fn() -> Option<T> + Send + Sync,
        wanted: impl Fn(&T) -> bool + Send + Sync,
    ) -> Option<T> {
        let waiting = async {
            loop {
                let changed = changes.next();
                match look() {
                    Some(state) if !wanted(&state) => changed.await,
                    state => return state,
                }
            }
        };
        match future::select(waiting.boxed(), runtime::sleep(limit).boxed()).await {
            Either::Left((state, _)) => state,
            Either::Right(_) => look(),
        }
    }
}
