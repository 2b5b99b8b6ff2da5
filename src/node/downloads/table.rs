//! The list of downloads: what each is, and which of them run.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::AbortHandle;

use super::target::Wanted;
use crate::node::error::Error;
use crate::node::state::{DownloadPhase, DownloadState, Failure, FailureKind, Priority};
use crate::store::downloads::Unfinished;
use crate::transfer::web_seed::{self, WebSeed, WebSeeds};
use crate::wire::urn::Sha1;

/// Downloads kept in the list; finished ones make room, oldest first.
const KEPT: usize = 1_000;
/// Sources that sent wrong bytes and are told of.
const LIARS: usize = 20;
/// How long the rate of a download is measured at least.
const MEASURE: Duration = Duration::from_secs(1);

/// All downloads of a node.
#[derive(Debug)]
pub(in crate::node) struct Downloads {
    last_id: u64,
    last_run: u64,
    /// How many run at once.
    places: usize,
    table: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) state: DownloadState,
    pub(super) wanted: Wanted,
    pub(super) directory: PathBuf,
    /// Its web servers that were found.
    pub(super) web_seeds: Arc<WebSeeds>,
    run: Option<Run>,
    /// Whether its files are fetched now, each as a download of its own: it takes no place itself.
    pub(super) collecting: bool,
    /// Whether it waits for the collection that it is part of, which may find it complete.
    pub(super) held: bool,
    measured: Instant,
    measured_bytes: u64,
}

/// The task of a download. Its number tells it from earlier ones, of which the last words may come
/// late.
#[derive(Debug)]
struct Run {
    number: u64,
    end: AbortHandle,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.end.abort();
    }
}

impl Downloads {
    /// An empty list; `last_id` is the highest number that was ever given.
    pub(in crate::node) const fn new(last_id: u64, places: usize) -> Self {
        Self {
            last_id,
            last_run: 0,
            places,
            table: BTreeMap::new(),
        }
    }

    /// Adds a download that shall run.
    pub(super) fn add(&mut self, wanted: Wanted, directory: PathBuf) -> Result<u64, Error> {
        self.make_room()?;
        self.last_id += 1;
        self.insert(self.last_id, wanted, directory);
        Ok(self.last_id)
    }

    /// Takes over what was kept.
    pub(super) fn restore(&mut self, kept: Unfinished) -> Result<(), Error> {
        self.make_room()?;
        let id = kept.id;
        self.last_id = self.last_id.max(id);
        let wanted = Wanted {
            sha1: kept.sha1,
            name: kept.name,
            size: kept.size,
            root: kept.root,
            proven: kept.proven,
            sources: kept.sources,
            web_seeds: {
                let seeds = kept.web_seeds.iter();
                seeds.filter_map(|url| url.parse().ok()).collect()
            },
        };
        let entry = self.insert(id, wanted, kept.directory);
        (entry.state.part_of, entry.held) = (kept.part_of, kept.part_of.is_some());
        entry.state.priority = Priority::of(kept.priority);
        if let Some((kind, message)) = kept.failure {
            let kind = FailureKind::named(&kind);
            entry.state.error = Some(Failure { kind, message });
            entry.state.phase = DownloadPhase::Failed;
        } else if kept.paused {
            entry.state.phase = DownloadPhase::Paused;
        }
        Ok(())
    }

    fn make_room(&mut self) -> Result<(), Error> {
        while self.table.len() >= KEPT {
            let done = |entry: &&Entry| entry.state.phase == DownloadPhase::Done;
            let id = self.table.values().find(done).map(|entry| entry.state.id);
            let id = id.ok_or(Error::TooManyDownloads(self.table.len()))?;
            self.table.remove(&id);
        }
        Ok(())
    }

    fn insert(&mut self, id: u64, wanted: Wanted, directory: PathBuf) -> &mut Entry {
        let name = wanted.name.clone();
        let state = DownloadState {
            id,
            version: 0,
            name: name.unwrap_or_else(|| wanted.sha1.to_string()),
            size: wanted.size.unwrap_or(0),
            sha1: wanted.sha1,
            phase: DownloadPhase::Queued,
            priority: Priority::default(),
            received: 0,
            verified: 0,
            rate: 0,
            sources_known: wanted.sources.len(),
            sources_active: 0,
            queues: Vec::new(),
            liars: Vec::new(),
            path: None,
            error: None,
            collection: None,
            part_of: None,
        };
        let entry = Entry {
            state,
            wanted,
            directory,
            web_seeds: Arc::default(),
            run: None,
            collecting: false,
            held: false,
            measured: Instant::now(),
            measured_bytes: 0,
        };
        self.table.entry(id).insert_entry(entry).into_mut()
    }

    /// Changes a download.
    pub(super) fn change<T>(&mut self, id: u64, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.table.get_mut(&id)?;
        let outcome = change(entry);
        entry.state.version += 1;
        Some(outcome)
    }

    /// Changes a download, if this run of it is still the one.
    pub(super) fn change_in<T>(
        &mut self,
        (id, run): (u64, u64),
        change: impl FnOnce(&mut Entry) -> T,
    ) -> Option<T> {
        let current = |entry: &Entry| entry.run.as_ref().is_some_and(|known| known.number == run);
        self.table.get(&id).filter(|entry| current(entry))?;
        self.change(id, change)
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<DownloadState> {
        self.table.remove(&id).map(|entry| entry.state)
    }

    pub(super) fn entry(&self, id: u64) -> Option<&Entry> {
        self.table.get(&id)
    }

    /// A download of the same content that is not complete.
    pub(super) fn of(&self, sha1: Sha1) -> Option<u64> {
        let same =
            |entry: &&Entry| entry.state.sha1 == sha1 && entry.state.phase != DownloadPhase::Done;
        self.table.values().find(same).map(|entry| entry.state.id)
    }

    /// Gives places to those that wait for one: the dearest first, then the oldest. One that is less
    /// dear gives its place up. Says which are to begin, each with the number of its run.
    pub(super) fn schedule(&mut self) -> Vec<(u64, u64, futures::future::AbortRegistration)> {
        let key = |entry: &Entry| (Reverse(entry.state.priority), entry.state.id);
        let mut claims: Vec<_> = self
            .table
            .values()
            .filter(|entry| entry.wants_place() || entry.has_place())
            .map(|entry| (key(entry), entry.has_place()))
            .collect();
        // Among equals who runs goes on.
        claims.sort_by_key(|((priority, id), runs)| (*priority, !runs, *id));
        let mut begin = Vec::new();
        for (rank, ((_, id), runs)) in claims.into_iter().enumerate() {
            let has = rank < self.places;
            if has == runs {
                continue;
            }
            self.last_run += 1;
            let number = self.last_run;
            self.change(id, |entry| match has {
                true => {
                    let (end, registration) = AbortHandle::new_pair();
                    entry.run = Some(Run { number, end });
                    entry.state.phase = DownloadPhase::Searching;
                    entry.state.error = None;
                    begin.push((id, number, registration));
                }
                false => entry.stop(DownloadPhase::Queued),
            });
        }
        begin
    }

    /// Lets those go on whose collection is not there any more.
    pub(super) fn let_go_of_orphans(&mut self) {
        let known: Vec<u64> = self.table.keys().copied().collect();
        for entry in self.table.values_mut() {
            let whole = entry.state.part_of.filter(|of| known.contains(of));
            entry.held &= whole.is_some();
        }
    }

    /// The files of a collection that are in the list.
    pub(super) fn parts(&self, of: u64) -> Vec<u64> {
        let states = self.table.values().map(|entry| &entry.state);
        let parts = states.filter(|state| state.part_of == Some(of));
        parts.map(|state| state.id).collect()
    }

    pub(in crate::node) fn state(&self, id: u64) -> Option<&DownloadState> {
        self.table.get(&id).map(|entry| &entry.state)
    }

    pub(in crate::node) fn states(&self) -> impl Iterator<Item = &DownloadState> {
        self.table.values().map(|entry| &entry.state)
    }
}

impl Entry {
    fn wants_place(&self) -> bool {
        self.state.phase == DownloadPhase::Queued && !self.held
    }

    /// Whether it takes one of the places.
    const fn has_place(&self) -> bool {
        matches!(
            self.state.phase,
            DownloadPhase::Searching | DownloadPhase::Active
        ) && self.run.is_some()
            && !self.collecting
    }

    /// Ends its task, if it has one.
    pub(super) fn stop(&mut self, phase: DownloadPhase) {
        (self.run, self.collecting) = (None, false);
        self.rest(phase, None);
    }

    /// Nobody serves it now, and why.
    pub(super) fn rest(&mut self, phase: DownloadPhase, error: Option<Failure>) {
        self.state.phase = phase;
        (self.state.sources_active, self.state.rate) = (0, 0);
        self.state.queues.clear();
        self.state.error = error;
    }

    /// Takes note of the bytes that came in this run.
    pub(super) fn measure(&mut self, came: u64) {
        let elapsed = self.measured.elapsed();
        if came < self.measured_bytes {
            self.measured_bytes = 0;
        }
        if elapsed >= MEASURE {
            let new = came - self.measured_bytes;
            let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            self.state.rate = new.saturating_mul(1_000) / millis;
            (self.measured, self.measured_bytes) = (Instant::now(), came);
        }
    }

    /// Takes over who may have it; gives those that are new.
    pub(super) fn add_sources(
        &mut self,
        sources: impl IntoIterator<Item = SocketAddr>,
    ) -> Vec<SocketAddr> {
        let new = sources
            .into_iter()
            .filter(|source| self.wanted.add(*source))
            .collect();
        self.state.sources_known = self.state.sources_known.max(self.wanted.sources.len());
        new
    }

    /// Takes over which web servers have it.
    pub(super) fn add_web_seeds(&mut self, seeds: Vec<WebSeed>) {
        for seed in seeds {
            let known = &mut self.wanted.web_seeds;
            if known.len() < web_seed::MOST && !known.contains(&seed) {
                known.push(seed);
            }
        }
    }

    /// Takes note of a source that sent wrong bytes; of the last ones.
    pub(super) fn blame(&mut self, source: SocketAddr) {
        if let Some(seed) = self.web_seeds.at(source) {
            self.wanted.web_seeds.retain(|known| *known != seed);
        }
        self.wanted.sources.retain(|known| *known != source);
        let liars = &mut self.state.liars;
        liars.retain(|known| *known != source);
        if liars.len() >= LIARS {
            liars.remove(0);
        }
        liars.push(source);
    }

    /// What is to be kept of it; nothing once it is complete.
    pub(super) fn unfinished(&self) -> Option<Unfinished> {
        let (state, wanted) = (&self.state, &self.wanted);
        let failed = state.phase == DownloadPhase::Failed;
        let failure = state.error.as_ref().filter(|_| failed);
        (state.phase != DownloadPhase::Done).then(|| Unfinished {
            id: state.id,
            sha1: state.sha1,
            size: wanted.size,
            name: wanted.name.clone(),
            directory: self.directory.clone(),
            root: wanted.root,
            proven: wanted.proven,
            sources: wanted.sources.clone(),
            web_seeds: wanted.web_seeds.iter().map(ToString::to_string).collect(),
            priority: state.priority.rank(),
            // What the disk stopped tries again.
            paused: state.phase == DownloadPhase::Paused && state.error.is_none(),
            failure: failure.map(|why| (why.kind.name().to_owned(), why.message.clone())),
            part_of: state.part_of,
        })
    }
}

impl Priority {
    const fn rank(self) -> i8 {
        match self {
            Self::Low => -1,
            Self::Normal => 0,
            Self::High => 1,
        }
    }

    const fn of(rank: i8) -> Self {
        match rank {
            i8::MIN..=-1 => Self::Low,
            0 => Self::Normal,
            1.. => Self::High,
        }
    }
}

impl FailureKind {
    const ALL: [Self; 5] = [
        Self::NoSource,
        Self::Verification,
        Self::NoSpace,
        Self::Disk,
        Self::Network,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::NoSource => "no_source",
            Self::Verification => "verification",
            Self::NoSpace => "no_space",
            Self::Disk => "disk",
            Self::Network => "network",
        }
    }

    /// The kind of this name; what a later version wrote is one of the network's.
    fn named(name: &str) -> Self {
        let all = Self::ALL.into_iter();
        let mut same = all.filter(|kind| kind.name() == name);
        same.next().unwrap_or(Self::Network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn downloads(places: usize, count: u8) -> Downloads {
        let mut downloads = Downloads::new(0, places);
        for byte in 0..count {
            let kept = Unfinished {
                id: u64::from(byte) + 10,
                sha1: Sha1::from_bytes([byte; 20]),
                size: Some(5),
                name: None,
                directory: PathBuf::new(),
                root: None,
                proven: false,
                sources: Vec::new(),
                web_seeds: Vec::new(),
                priority: 0,
                paused: false,
                failure: None,
                part_of: None,
            };
            downloads.restore(kept).unwrap();
        }
        downloads
    }

    fn begun(downloads: &mut Downloads) -> Vec<u64> {
        downloads.schedule().iter().map(|(id, ..)| *id).collect()
    }

    #[test]
    fn the_oldest_run_first_and_the_others_as_there_is_room() {
        let mut downloads = downloads(2, 4);
        assert_eq!(begun(&mut downloads), [10, 11]);
        assert_eq!(begun(&mut downloads), [0; 0]);
        downloads.change(10, |entry| entry.stop(DownloadPhase::Done));
        assert_eq!(begun(&mut downloads), [12]);
        // One that waits for sources takes no place.
        downloads.change(11, |entry| entry.rest(DownloadPhase::Waiting, None));
        assert_eq!(begun(&mut downloads), [13]);
    }

    #[test]
    fn the_dearer_ones_take_the_places_of_others() {
        let mut downloads = downloads(1, 3);
        assert_eq!(begun(&mut downloads), [10]);
        downloads.change(12, |entry| entry.state.priority = Priority::High);
        assert_eq!(begun(&mut downloads), [12]);
        assert_eq!(downloads.state(10).unwrap().phase, DownloadPhase::Queued);
        downloads.change(10, |entry| entry.state.priority = Priority::Low);
        downloads.remove(12).unwrap();
        assert_eq!(begun(&mut downloads), [11]);
    }

    #[test]
    fn late_words_of_an_earlier_run_do_not_count() {
        let mut downloads = downloads(1, 1);
        let first = downloads.schedule().remove(0);
        downloads.change(10, |entry| entry.stop(DownloadPhase::Queued));
        let second = downloads.schedule().remove(0);
        assert_eq!(downloads.change_in((10, first.1), |_| ()), None);
        assert_eq!(downloads.change_in((10, second.1), |_| ()), Some(()));
        assert!(first.2.handle().is_aborted() && !second.2.handle().is_aborted());
    }

    #[test]
    fn what_is_kept_comes_back() {
        let mut downloads = downloads(1, 1);
        let kept = downloads.entry(10).unwrap().unfinished().unwrap();
        assert!(!kept.paused && kept.failure.is_none());
        let failure = Failure {
            kind: FailureKind::Verification,
            message: "it is another".to_owned(),
        };
        for (phase, error) in [
            (DownloadPhase::Paused, None),
            (DownloadPhase::Failed, Some(failure)),
        ] {
            let kept = downloads.change(10, |entry| {
                entry.state.priority = Priority::High;
                entry.rest(phase, error.clone());
                entry.unfinished().unwrap()
            });
            let mut again = Downloads::new(0, 1);
            again.restore(kept.unwrap()).unwrap();
            let state = again.state(10).unwrap();
            assert_eq!((state.phase, &state.error), (phase, &error));
            assert_eq!(state.priority, Priority::High);
            assert!(again.schedule().is_empty());
        }
    }
}
