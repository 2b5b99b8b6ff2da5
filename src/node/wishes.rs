//! Wishes: searches that are kept over restarts and asked again, ever more rarely as long as they
//! find nothing new, until they have what they want. They are asked one after the other and share
//! the allowance of the downloads' own searches; what they find is a search like any other, and a
//! wish that says so begins to fetch it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{self, Either, FutureExt};

use super::Node;
use super::changes::Changes;
use super::downloads::Target;
use super::error::Error;
use super::wish::Wish;
use crate::overlay::SearchId;
use crate::runtime;
use crate::store::wishes::Kept;
use crate::wire::urn::Sha1;

/// Wishes kept at once.
pub const MOST_WISHES: usize = 100;
/// Files that one wish may fetch by itself.
pub const MOST_FETCHED: u32 = 100;
/// How long a wish takes hits each time it is asked.
const ASKED_FOR: Duration = Duration::from_secs(30);
/// How long more hits are waited for once there is one, so that the best of them is fetched.
const SETTLE: Duration = Duration::from_millis(500);
/// Pause after a wish was asked, on private ground and elsewhere; it doubles while nothing new comes.
const FIRST_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(5 * 60));
/// The longest pause.
const LONGEST_PAUSE: (Duration, Duration) = (
    Duration::from_secs(5 * 60),
    Duration::from_secs(4 * 60 * 60),
);

/// A wish, and what became of it so far.
#[derive(Clone, Debug)]
pub struct WishState {
    /// Its number.
    pub id: u64,
    /// What is asked, and what is wanted of the answers.
    pub wish: Wish,
    /// How many files it fetches by itself, each content once; 0: none.
    pub fetch: u32,
    /// The folder for them; without one, the node's own.
    pub directory: Option<PathBuf>,
    /// Whether it is being asked.
    pub phase: WishPhase,
    /// How often it was asked.
    pub asked: u64,
    /// The search that holds what it found, once it was asked in this run.
    pub search: Option<u64>,
    /// Files found in this run.
    pub found: usize,
    /// The contents it began to fetch.
    pub fetched: Vec<Sha1>,
}

/// Whether a wish is being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WishPhase {
    /// It takes hits now.
    Asking,
    /// It will be asked again.
    Resting,
    /// It has as many files as it was to fetch, and is asked no more.
    Done,
}

/// The wishes of a node.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    table: Mutex<BTreeMap<u64, Entry>>,
    changed: Changes,
}

#[derive(Debug)]
struct Entry {
    state: WishState,
    due: Instant,
    pause: Duration,
}

impl Wishes {
    fn table(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        // Every change is whole by itself.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, kept: Kept, pause: Duration) {
        let state = WishState {
            id: kept.id,
            wish: Wish {
                text: kept.text,
                media: kept.media,
                least: kept.least,
                most: kept.most,
            },
            phase: match kept.fetch > 0 && kept.fetched.len() >= size(kept.fetch) {
                true => WishPhase::Done,
                false => WishPhase::Resting,
            },
            fetch: kept.fetch,
            directory: kept.directory,
            asked: kept.asked,
            search: None,
            found: 0,
            fetched: kept.fetched,
        };
        let due = Instant::now();
        let entry = Entry { state, due, pause };
        self.table().entry(kept.id).or_insert(entry);
        self.changed.notify();
    }

    fn change<T>(&self, id: u64, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.table().get_mut(&id).map(change)
    }

    /// The wish to ask next, and when.
    fn next(&self) -> Option<(Instant, u64)> {
        let table = self.table();
        let waiting = table
            .values()
            .filter(|entry| entry.state.phase == WishPhase::Resting);
        waiting.map(|entry| (entry.due, entry.state.id)).min()
    }
}

impl Node {
    /// Keeps a wish, which is asked at once and again later until `fetch` of its files are being
    /// fetched into `directory`, or for ever where that is 0.
    ///
    /// # Errors
    /// When there is nothing in it to search for, or too many are kept.
    pub async fn add_wish(
        &self,
        wish: Wish,
        fetch: u32,
        directory: Option<PathBuf>,
    ) -> Result<WishState, Error> {
        wish.query()?;
        let count = self.0.wishes.table().len();
        if count >= MOST_WISHES {
            return Err(Error::TooManyWishes(count));
        }
        let mut kept = Kept {
            id: 0,
            text: wish.text,
            media: wish.media,
            least: wish.least,
            most: wish.most,
            fetch: fetch.min(MOST_FETCHED),
            directory,
            asked: 0,
            fetched: Vec::new(),
        };
        let node = self.clone();
        let kept = runtime::spawn_blocking(move || {
            kept.id = node.0.store.add_wish(&kept)?;
            Ok::<_, Error>(kept)
        });
        let kept = kept.await?;
        let id = kept.id;
        self.0.wishes.insert(kept, self.on_ground(FIRST_PAUSE));
        self.wish(id).ok_or(Error::NoSuchWish(id))
    }

    /// Forgets a wish; what it found and fetches stays. Gives what it was.
    ///
    /// # Errors
    /// When there is no such wish.
    pub async fn remove_wish(&self, id: u64) -> Result<WishState, Error> {
        let removed = self.0.wishes.table().remove(&id);
        let state = removed.ok_or(Error::NoSuchWish(id))?.state;
        self.0.wishes.changed.notify();
        let node = self.clone();
        runtime::spawn_blocking(move || node.0.store.forget_wish(id)).await?;
        Ok(state)
    }

    /// A wish as it is.
    #[must_use]
    pub fn wish(&self, id: u64) -> Option<WishState> {
        let table = self.0.wishes.table();
        table.get(&id).map(|entry| entry.state.clone())
    }

    /// All wishes, oldest first.
    #[must_use]
    pub fn wishes(&self) -> Vec<WishState> {
        let table = self.0.wishes.table();
        table.values().map(|entry| entry.state.clone()).collect()
    }

    /// Takes over the wishes of earlier runs, and asks those that are due until the node stops.
    pub(super) async fn keep_wishes(self) {
        let node = self.clone();
        let kept = runtime::spawn_blocking(move || node.0.store.wishes()).await;
        match kept {
            Ok(kept) => {
                for wish in kept {
                    self.0.wishes.insert(wish, self.on_ground(FIRST_PAUSE));
                }
            }
            Err(error) => log::warn!("the wishes of earlier runs are not known: {error}"),
        }
        let stopped = self.0.stop.stopped();
        let asking = async {
            loop {
                let changed = self.0.wishes.changed.next();
                match self.0.wishes.next() {
                    Some((due, id)) if due <= Instant::now() => self.ask_wish(id).await,
                    Some((due, _)) => {
                        let pause = due.saturating_duration_since(Instant::now());
                        future::select(changed.boxed(), runtime::sleep(pause).boxed()).await;
                    }
                    None => changed.await,
                }
            }
        };
        if let Either::Left((never, _)) = future::select(asking.boxed(), stopped).await {
            match never {}
        }
    }

    /// Asks the overlay for a wish once, when there is somebody to ask and it is allowed.
    async fn ask_wish(&self, id: u64) {
        let forever = Duration::from_secs(u64::from(u32::MAX));
        let neighbours = || Some(self.0.core().links.len());
        let links = &self.0.links_changed;
        self.0
            .when(links, forever, neighbours, |count| *count > 0)
            .await;
        loop {
            let allowed = self.0.allowance().take(Instant::now());
            match allowed {
                Ok(()) => break,
                Err(wait) => runtime::sleep(wait.max(SETTLE)).await,
            }
        }
        let Some(search) = self.begin_wish(id) else {
            return;
        };
        let known = self.seen(search);
        let until = Instant::now() + ASKED_FOR;
        let wants = || {
            self.0
                .wishes
                .change(id, |entry| entry.state.phase == WishPhase::Asking)
        };
        while wants() == Some(true) {
            let seen = self
                .0
                .core()
                .searches
                .state(search.0)
                .map(|state| state.version);
            let left = until.saturating_duration_since(Instant::now());
            self.search_changed(search.0, seen.unwrap_or(u64::MAX), left)
                .await;
            runtime::sleep(SETTLE).await;
            self.fetch_wished(id, search);
            if left.is_zero() {
                break;
            }
        }
        self.0.core().cancel(search);
        self.0.found.notify();
        let found = self.seen(search);
        let new = found.difference(&known).next().is_some();
        let (first, longest) = (self.on_ground(FIRST_PAUSE), self.on_ground(LONGEST_PAUSE));
        let noted = self.0.wishes.change(id, |entry| {
            let state = &mut entry.state;
            if state.phase == WishPhase::Asking {
                state.phase = WishPhase::Resting;
            }
            state.asked += 1;
            if new {
                entry.pause = first;
            }
            entry.due = Instant::now() + entry.pause;
            entry.pause = (entry.pause * 2).min(longest);
            (state.asked, state.fetched.clone())
        });
        if let Some((asked, fetched)) = noted {
            self.note_wish(id, asked, fetched).await;
        }
    }

    /// Begins or goes on with the search of a wish that is still there.
    fn begin_wish(&self, id: u64) -> Option<SearchId> {
        let (wish, before) = self.0.wishes.change(id, |entry| {
            entry.state.phase = WishPhase::Asking;
            (entry.state.wish.clone(), entry.state.search)
        })?;
        let query = wish.query().ok()?;
        let mut core = self.0.core();
        let now = Instant::now();
        let again = before
            .map(SearchId)
            .filter(|id| core.searches.renew(now, *id));
        let search = again.unwrap_or_else(|| core.searches.begin(now, wish, None));
        core.search(search, &query);
        drop(core);
        self.0
            .wishes
            .change(id, |entry| entry.state.search = Some(search.0));
        Some(search)
    }

    /// The numbers of what a search found.
    fn seen(&self, search: SearchId) -> HashSet<u64> {
        let core = self.0.core();
        let results = core.searches.state(search.0).map(|state| &state.results);
        results
            .into_iter()
            .flatten()
            .map(|found| found.number)
            .collect()
    }

    /// Begins to fetch what a wish found, those that most have first, as many as it wants.
    fn fetch_wished(&self, id: u64, search: SearchId) {
        let Some(search) = self.search_state(search.0) else {
            return;
        };
        let mut found = search.results;
        let count = found.len();
        found.sort_by_key(|found| Reverse(found.sources.len()));
        let begin = self.0.wishes.change(id, |entry| {
            let state = &mut entry.state;
            state.found = count;
            let mut begin = Vec::new();
            for found in &found {
                let Some(sha1) = found.sha1 else { continue };
                if state.fetched.len() < size(state.fetch) && !state.fetched.contains(&sha1) {
                    state.fetched.push(sha1);
                    begin.push((found.number, state.directory.clone()));
                }
            }
            if state.fetch > 0 && state.fetched.len() >= size(state.fetch) {
                state.phase = WishPhase::Done;
            }
            begin
        });
        for (number, directory) in begin.unwrap_or_default() {
            if let Err(error) = self.fetch(&Target::Number(number), directory) {
                log::warn!("wish {id}: {error}");
            }
        }
    }

    async fn note_wish(&self, id: u64, asked: u64, fetched: Vec<Sha1>) {
        let node = self.clone();
        let noted = runtime::spawn_blocking(move || node.0.store.note_wish(id, asked, &fetched));
        if let Err(error) = noted.await {
            log::warn!("what became of wish {id} is not kept: {error}");
        }
    }

    fn on_ground(&self, (private, public): (Duration, Duration)) -> Duration {
        match self.is_sheltered() {
            true => private,
            false => public,
        }
    }
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
