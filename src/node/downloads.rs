//! Downloads of this node: what is wanted, who may have it, and how far it is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{self, Either, FutureExt};

use super::Node;
use super::error::Error;
use super::ground::{is_private, is_reachable};
use super::ledger::Notes;
use super::state::{DownloadPhase, DownloadState, Failure, FailureKind, Found, Source};
use super::wish::Wish;
use crate::runtime;
use crate::store::downloads::Unfinished;
use crate::transfer::download::{self, Job, Progress};
use crate::transfer::{disk, name::safe_file_name};
use crate::wire::Guid;
use crate::wire::magnet::Magnet;
use crate::wire::query::Query;
use crate::wire::urn::{Sha1, TigerRoot, Urn};

/// Downloads kept in the list; finished ones make room, oldest first.
const KEPT: usize = 1_000;
/// How long sources are looked for.
const LOOK_FOR: Duration = Duration::from_secs(30);
/// How long more sources are waited for once there is one.
const SETTLE: Duration = Duration::from_millis(500);

/// What to fetch.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A result of a search, by its number.
    Number(u64),
    /// A magnet link with a SHA-1.
    Magnet(Magnet),
    /// A content.
    Urn(Urn),
}

/// All downloads of a node.
#[derive(Debug, Default)]
pub(super) struct Downloads {
    last_id: u64,
    table: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    state: DownloadState,
    measured: Instant,
    measured_bytes: u64,
}

/// What is known of a file before its sources are.
#[derive(Clone, Debug)]
struct Wanted {
    sha1: Sha1,
    name: Option<String>,
    size: Option<u64>,
    root: Option<TigerRoot>,
    /// Whether the user gave the root together with the SHA-1.
    proven: bool,
    sources: Vec<Source>,
}

impl Downloads {
    fn add(&mut self, wanted: &Wanted) -> Result<u64, Error> {
        while self.table.len() >= KEPT {
            let over = self
                .table
                .values()
                .find(|entry| entry.state.phase.is_over());
            let Some(id) = over.map(|entry| entry.state.id) else {
                return Err(Error::TooManyDownloads(self.table.len()));
            };
            self.table.remove(&id);
        }
        self.last_id += 1;
        let state = DownloadState {
            id: self.last_id,
            version: 0,
            name: wanted
                .name
                .clone()
                .unwrap_or_else(|| wanted.sha1.to_string()),
            size: wanted.size.unwrap_or(0),
            sha1: wanted.sha1,
            phase: DownloadPhase::Searching,
            received: 0,
            verified: 0,
            rate: 0,
            sources_known: wanted.sources.len(),
            sources_active: 0,
            path: None,
            error: None,
        };
        let entry = Entry {
            state,
            measured: Instant::now(),
            measured_bytes: 0,
        };
        self.table.insert(self.last_id, entry);
        Ok(self.last_id)
    }

    fn change(&mut self, id: u64, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.table.get_mut(&id) {
            change(entry);
            entry.state.version += 1;
        }
    }

    /// A download that goes on for the same content.
    fn running(&self, sha1: Sha1) -> Option<u64> {
        let running = |entry: &&Entry| entry.state.sha1 == sha1 && !entry.state.phase.is_over();
        self.states_of(running).next()
    }

    fn states_of<'a>(&'a self, pick: impl Fn(&&Entry) -> bool + 'a) -> impl Iterator<Item = u64> {
        self.table.values().filter(pick).map(|entry| entry.state.id)
    }

    pub(super) fn state(&self, id: u64) -> Option<&DownloadState> {
        self.table.get(&id).map(|entry| &entry.state)
    }

    pub(super) fn states(&self) -> impl Iterator<Item = &DownloadState> {
        self.table.values().map(|entry| &entry.state)
    }
}

impl Node {
    /// Fetches a file into `directory`, or into the node's own download directory, and gives the
    /// download's number. What is already being fetched is not begun twice.
    ///
    /// # Errors
    /// When the target names no result or no SHA-1, or too many downloads run.
    pub fn fetch(&self, target: &Target, directory: Option<PathBuf>) -> Result<u64, Error> {
        let wanted = self.wanted(target)?;
        let mut downloads = self.0.downloads();
        if let Some(id) = downloads.running(wanted.sha1) {
            return Ok(id);
        }
        let id = downloads.add(&wanted)?;
        drop(downloads);
        let directory = directory.unwrap_or_else(|| self.0.download_directory.clone());
        self.begin(id, wanted, directory);
        Ok(id)
    }

    /// Goes on with what an earlier run did not complete.
    pub(super) fn resume(&self, unfinished: Vec<Unfinished>) {
        for download in unfinished {
            let source = |address: &SocketAddr| known_source(*address);
            let wanted = Wanted {
                sha1: download.sha1,
                name: Some(download.name),
                size: Some(download.size),
                root: download.root,
                proven: download.proven,
                sources: download.sources.iter().map(source).collect(),
            };
            match self.0.downloads().add(&wanted) {
                Ok(id) => self.begin(id, wanted, download.directory),
                Err(error) => log::warn!("not resumed: {error}"),
            }
        }
    }

    fn begin(&self, id: u64, wanted: Wanted, directory: PathBuf) {
        self.0.downloads_changed.notify();
        let node = self.clone();
        runtime::spawn_detached(async move {
            let stopped = node.0.stop.stopped();
            let fetching = node.carry_through(id, wanted, directory).boxed();
            if let Either::Right(_) = future::select(fetching, stopped).await {
                node.fail(
                    id,
                    FailureKind::Network,
                    "the node stopped: it goes on when the node runs again".to_owned(),
                );
            }
        });
    }

    /// A download as it is.
    #[must_use]
    pub fn download(&self, id: u64) -> Option<DownloadState> {
        self.0.downloads().state(id).cloned()
    }

    /// All downloads, oldest first.
    #[must_use]
    pub fn downloads(&self) -> Vec<DownloadState> {
        self.0.downloads().states().cloned().collect()
    }

    /// A download once its version is above `after`, or as it is after `limit`.
    pub async fn download_changed(
        &self,
        id: u64,
        after: u64,
        limit: Duration,
    ) -> Option<DownloadState> {
        let changed = |state: &DownloadState| state.version > after || state.phase.is_over();
        self.0
            .when(
                &self.0.downloads_changed,
                limit,
                || self.download(id),
                changed,
            )
            .await
    }

    /// A download once it is done or failed.
    pub async fn finished(&self, id: u64) -> Option<DownloadState> {
        let over = |state: &DownloadState| state.phase.is_over();
        let forever = Duration::from_secs(u64::from(u32::MAX));
        self.0
            .when(
                &self.0.downloads_changed,
                forever,
                || self.download(id),
                over,
            )
            .await
    }

    fn wanted(&self, target: &Target) -> Result<Wanted, Error> {
        match target {
            Target::Number(number) => {
                let core = self.0.core();
                let found = core.searches.numbered(*number);
                let found = found.ok_or(Error::NoSuchResult(*number))?;
                let sha1 = found
                    .sha1
                    .ok_or_else(|| Error::Unverifiable(found.name.clone()))?;
                Ok(Wanted {
                    sha1,
                    name: Some(found.name.clone()),
                    size: Some(found.size),
                    root: found.tiger_root,
                    proven: false,
                    sources: found.sources.clone(),
                })
            }
            Target::Urn(urn) => Ok(Wanted {
                sha1: urn
                    .sha1()
                    .ok_or_else(|| Error::Unverifiable(urn.to_string()))?,
                name: None,
                size: None,
                root: urn.tiger_root(),
                proven: urn.tiger_root().is_some(),
                sources: Vec::new(),
            }),
            Target::Magnet(magnet) => {
                let sha1 = magnet.topics.iter().find_map(Urn::sha1);
                let sha1 = sha1.ok_or_else(|| Error::Unverifiable("the magnet link".to_owned()))?;
                let root = magnet.topics.iter().find_map(Urn::tiger_root);
                let named = magnet
                    .exact_sources
                    .iter()
                    .chain(&magnet.acceptable_sources);
                Ok(Wanted {
                    sha1,
                    name: magnet.name.clone(),
                    size: magnet.length,
                    root,
                    proven: root.is_some(),
                    sources: named.filter_map(|url| direct_source(url, sha1)).collect(),
                })
            }
        }
    }

    /// Looks for sources, fetches, and writes down how it ended.
    async fn carry_through(&self, id: u64, mut wanted: Wanted, directory: PathBuf) {
        if wanted.sources.is_empty() || wanted.size.is_none() {
            self.look_for_sources(&mut wanted).await;
        }
        let Some(size) = wanted.size.filter(|_| !wanted.sources.is_empty()) else {
            let message = format!(
                "nobody who has urn:sha1:{} answered: try again when more servents are connected",
                wanted.sha1
            );
            self.fail(id, FailureKind::NoSource, message);
            return;
        };
        let name = safe_file_name(wanted.name.as_deref().unwrap_or(&wanted.sha1.to_string()));
        let sources = wanted.sources.iter().map(|source| download::Source {
            address: source.address,
            index: source.index,
            name: name.clone(),
            servent: source.servent,
        });
        let job = Job {
            sha1: wanted.sha1,
            size,
            name: name.clone(),
            root: wanted.root,
            proven: wanted.proven,
            sources: sources.collect(),
            incomplete: self.0.incomplete_directory.clone(),
            target: directory,
            from: self.0.dial_from,
            tls: self.0.first_tls(),
            network: self.0.network.clone(),
            own: Some(self.0.address),
            private: is_private(self.0.address.ip()),
        };
        let store = Arc::clone(&self.0.store);
        let unfinished = Unfinished {
            sha1: job.sha1,
            size,
            name: name.clone(),
            directory: job.target.clone(),
            root: job.root,
            proven: job.proven,
            sources: job.sources.iter().map(|source| source.address).collect(),
        };
        let kept = runtime::spawn_blocking(move || store.keep_download(&unfinished)).await;
        if let Err(error) = kept {
            log::warn!("{name} would not go on after a restart: {error}");
        }
        let notes = Notes {
            store: Arc::clone(&self.0.store),
            sha1: job.sha1,
        };
        self.0.change(id, |entry| {
            entry.state.phase = DownloadPhase::Active;
            entry.state.name = name;
            entry.state.size = size;
            entry.state.sources_known = wanted.sources.len();
        });
        let watcher = self.clone();
        let tell = move |progress| watcher.progress(id, &progress);
        match download::run(job, Arc::new(notes), tell).await {
            Ok(finished) => self.0.change(id, |entry| {
                entry.state.phase = DownloadPhase::Done;
                entry.state.received = finished.bytes;
                entry.state.verified = finished.bytes;
                entry.state.sources_active = 0;
                entry.state.rate = 0;
                entry.state.path = Some(finished.path);
            }),
            Err(error) => {
                let kind = match &error {
                    download::Error::NoSource { .. } => FailureKind::Network,
                    download::Error::Verification { .. } => FailureKind::Verification,
                    download::Error::Disk(disk::Error::NoSpace { .. }) => FailureKind::NoSpace,
                    download::Error::Disk(_) => FailureKind::Disk,
                };
                self.fail(id, kind, error.to_string());
            }
        }
    }

    /// Asks the overlay for the content, and for its name where that is known, since many
    /// servents do not answer for a URN alone (protocol §4.3).
    async fn look_for_sources(&self, wanted: &mut Wanted) {
        let mut queries = vec![Query::for_urn(Urn::Sha1(wanted.sha1))];
        queries.extend(
            wanted
                .name
                .as_deref()
                .and_then(|name| Query::keywords(name).ok()),
        );
        let ids: Vec<_> = queries
            .into_iter()
            .map(|query| {
                let mut core = self.0.core();
                let text = format!("urn:sha1:{}", wanted.sha1);
                let id = core.searches.begin(Instant::now(), Wish::new(text), None);
                core.search(id, &query);
                id
            })
            .collect();
        let holders = || {
            let core = self.0.core();
            let found: Vec<Found> = core.searches.holders(wanted.sha1).cloned().collect();
            Some(found)
        };
        let some = |found: &Vec<Found>| !found.is_empty();
        self.0.when(&self.0.found, LOOK_FOR, holders, some).await;
        runtime::sleep(SETTLE).await;
        let mut found = holders().unwrap_or_default();
        // Those who lie about the size are fewer.
        found.sort_by_key(|found| std::cmp::Reverse(found.sources.len()));
        for found in found {
            if *wanted.size.get_or_insert(found.size) == found.size {
                wanted.name.get_or_insert(found.name);
                wanted.root = wanted.root.or(found.tiger_root);
                wanted.sources.extend(found.sources);
            }
        }
        let mut core = self.0.core();
        for id in ids {
            core.cancel(id);
            core.searches.forget(id);
        }
    }

    fn progress(&self, id: u64, progress: &Progress) {
        self.0.change(id, |entry| {
            let state = &mut entry.state;
            match progress {
                Progress::Resumed { bytes } => {
                    state.received = *bytes;
                }
                Progress::Standing(standing) => {
                    state.received = standing.received;
                    state.verified = standing.verified;
                    state.sources_known = standing.known;
                    state.sources_active = standing.active;
                    let elapsed = entry.measured.elapsed();
                    if elapsed >= Duration::from_secs(1) {
                        let came = standing.came.saturating_sub(entry.measured_bytes);
                        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                        state.rate = came.saturating_mul(1_000) / millis;
                        (entry.measured, entry.measured_bytes) = (Instant::now(), standing.came);
                    }
                }
                Progress::Failed { source, reason } => {
                    log::info!("{source} failed for {}: {reason}", state.name);
                }
                Progress::Blamed { source, tile } => {
                    let where_ = tile.map_or_else(String::new, |tile| format!(", in tile {tile}"));
                    log::warn!("{source} sent wrong bytes for {}{where_}", state.name);
                }
                Progress::Rejected { sources } => {
                    log::warn!("wrong bytes for {} came from {sources:?}", state.name);
                }
                _ => {}
            }
        });
    }

    fn fail(&self, id: u64, kind: FailureKind, message: String) {
        log::info!("download {id} failed: {message}");
        self.0.change(id, |entry| {
            entry.state.phase = DownloadPhase::Failed;
            (entry.state.sources_active, entry.state.rate) = (0, 0);
            entry.state.error = Some(Failure { kind, message });
        });
    }
}

impl super::Inner {
    /// Changes a download, if it is still in the list, and tells who waits.
    fn change(&self, id: u64, change: impl FnOnce(&mut Entry)) {
        self.downloads().change(id, change);
        self.downloads_changed.notify();
    }
}

/// A source that a link names outright: `http://ADDRESS:PORT/uri-res/N2R?urn:sha1:…`.
fn direct_source(url: &str, sha1: Sha1) -> Option<Source> {
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let urn = path.strip_prefix("uri-res/N2R?")?.parse::<Urn>().ok()?;
    let address: SocketAddr = host.parse().ok()?;
    // The user gave the link: any address somebody could be at is fine.
    let private = is_private(address.ip());
    (urn.sha1() == Some(sha1) && is_reachable(address, private)).then(|| known_source(address))
}

/// A source of which no more is known than where it is.
const fn known_source(address: SocketAddr) -> Source {
    Source {
        address,
        servent: Guid::ZERO,
        index: 0,
        hops: 0,
        vendor: String::new(),
    }
}
