//! Looking for sources: what any search finds, and searches of the download's own, which become
//! rarer the longer they find nobody and share one allowance among all downloads.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::channel::mpsc::UnboundedSender;
use futures::future;

use super::target::{Wanted, addresses};
use crate::node::Node;
use crate::node::state::{DownloadPhase, Failure, FailureKind, Found};
use crate::node::wish::Wish;
use crate::runtime;
use crate::wire::query::Query;
use crate::wire::urn::Urn;

/// How long a search of a download's own takes hits.
const LOOK_FOR: Duration = Duration::from_secs(30);
/// How long more hits are waited for once there is one.
const SETTLE: Duration = Duration::from_millis(500);
/// A download that knows fewer sources than these looks for more.
const ENOUGH: usize = 4;
/// Pause after the first search on private ground and elsewhere; it doubles with each that follows.
const FIRST_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// The longest pause.
const LONGEST_PAUSE: (Duration, Duration) =
    (Duration::from_secs(5 * 60), Duration::from_secs(60 * 60));

/// How many searches all downloads together may begin: some at once, then one in a while.
#[derive(Debug)]
pub(in crate::node) struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    const MOST: u32 = 12;
    const EVERY: Duration = Duration::from_secs(15);

    pub(in crate::node) const fn new(now: Instant) -> Self {
        Self {
            left: Self::MOST,
            since: now,
        }
    }

    /// Takes one, or says how long until there is one.
    pub(in crate::node) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.since);
        let earned = passed.as_secs() / Self::EVERY.as_secs();
        self.since += Self::EVERY * u32::try_from(earned).unwrap_or(0);
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(earned).min(Self::MOST);
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Self::EVERY.saturating_sub(now.saturating_duration_since(self.since))),
        }
    }
}

impl Node {
    /// Looks for sources as long as the download runs, and offers it those that are found.
    pub(super) async fn seek(&self, key: (u64, u64), offer: UnboundedSender<SocketAddr>) {
        let asking = self.ask_around(key, &offer);
        future::join3(
            self.gather(key, &offer),
            asking,
            self.find_web_seeds(key, &offer),
        )
        .await;
    }

    /// Takes over what any search finds.
    async fn gather(&self, key: (u64, u64), offer: &UnboundedSender<SocketAddr>) {
        loop {
            let changed = self.0.found.next();
            let Some(sha1) = self.download(key.0).map(|state| state.sha1) else {
                return;
            };
            let mut found: Vec<Found> = {
                let core = self.0.core();
                core.searches.holders(sha1).cloned().collect()
            };
            // Those who lie about the size are fewer.
            found.sort_by_key(|found| Reverse(found.sources.len()));
            if !found.is_empty() && self.take_over(key, &found, offer) {
                self.keep(key.0).await;
            }
            changed.await;
            runtime::sleep(SETTLE).await;
        }
    }

    /// Takes over what searches found; says whether any of it is new.
    fn take_over(
        &self,
        key: (u64, u64),
        found: &[Found],
        offer: &UnboundedSender<SocketAddr>,
    ) -> bool {
        self.0.heed(found);
        let learnt = self.0.change_in(key, |entry| {
            let mut new = Vec::new();
            for found in found {
                let wanted = &mut entry.wanted;
                if *wanted.size.get_or_insert(found.size) == found.size {
                    wanted.name.get_or_insert_with(|| found.name.clone());
                    wanted.root = wanted.root.or(found.tiger_root);
                    new.extend(entry.add_sources(addresses(&found.sources)));
                }
            }
            new
        });
        let learnt = learnt.unwrap_or_default();
        for source in &learnt {
            // A download that has ended needs none.
            let _ended = offer.unbounded_send(*source);
        }
        !learnt.is_empty()
    }

    /// Searches for the content whenever there are too few who have it.
    async fn ask_around(&self, key: (u64, u64), offer: &UnboundedSender<SocketAddr>) {
        let on_ground = |(private, public)| match self.is_sheltered() {
            true => private,
            false => public,
        };
        let first = on_ground(FIRST_PAUSE);
        let mut pause = first;
        if !self.is_starving(key.0) {
            runtime::sleep(pause).await;
        }
        loop {
            let many = Duration::from_secs(u64::from(u32::MAX));
            let changes = &self.0.downloads_changed;
            let poor = || Some(self.is_poor(key.0));
            self.0.when(changes, many, poor, |poor| *poor).await;
            // Without a neighbour there is nobody to ask.
            let neighbours = || Some(self.0.core().links.len());
            if self.is_starving(key.0) && neighbours() == Some(0) {
                self.say(key, "there is no neighbour to ask for sources");
            }
            let links = &self.0.links_changed;
            self.0
                .when(links, many, neighbours, |count| *count > 0)
                .await;
            let allowed = || self.0.allowance().take(Instant::now());
            while let Err(wait) = allowed() {
                runtime::sleep(wait.max(SETTLE)).await;
            }
            let Some(wanted) = self.wanted_of(key.0) else {
                return;
            };
            // Those who failed may be there again.
            if self.is_starving(key.0) {
                for source in &wanted.sources {
                    let _ended = offer.unbounded_send(*source);
                }
            }
            let before = neighbours().unwrap_or_default();
            self.look_for(key.0, &wanted).await;
            if self.is_starving(key.0) {
                self.say(
                    key,
                    &format!("nobody who has urn:sha1:{} answers", wanted.sha1),
                );
            } else {
                pause = first;
            }
            // A new neighbour may know more.
            self.0
                .when(links, pause, neighbours, |count| *count > before)
                .await;
            pause = (pause * 2).min(on_ground(LONGEST_PAUSE));
        }
    }

    /// Asks the overlay for the content, and for its name where that is known, since many servents
    /// do not answer for a URN alone (protocol §4.3).
    async fn look_for(&self, id: u64, wanted: &Wanted) {
        let mut queries = vec![Query::for_urn(Urn::Sha1(wanted.sha1))];
        let named = wanted.name.as_deref().map(Query::keywords);
        queries.extend(named.and_then(Result::ok));
        let searches: Vec<_> = queries
            .into_iter()
            .map(|query| {
                let mut core = self.0.core();
                let text = format!("urn:sha1:{}", wanted.sha1);
                let search = core.searches.begin(Instant::now(), Wish::new(text), None);
                core.search(search, &query);
                search
            })
            .collect();
        let starving = || Some(self.is_starving(id));
        let changes = &self.0.downloads_changed;
        self.0
            .when(changes, LOOK_FOR, starving, |starving| !starving)
            .await;
        runtime::sleep(SETTLE).await;
        let mut core = self.0.core();
        for search in searches {
            core.cancel(search);
            core.searches.forget(search);
        }
    }

    /// Whether nobody serves a download, so that it needs sources.
    fn is_starving(&self, id: u64) -> bool {
        let phase = self.0.downloads().state(id).map(|state| state.phase);
        matches!(
            phase,
            Some(DownloadPhase::Searching | DownloadPhase::Waiting)
        )
    }

    /// Whether a download could do with more sources.
    fn is_poor(&self, id: u64) -> bool {
        let known = self.download(id).map(|state| state.sources_known);
        self.is_starving(id) || known.is_some_and(|known| known < ENOUGH)
    }

    fn wanted_of(&self, id: u64) -> Option<Wanted> {
        self.0
            .downloads()
            .entry(id)
            .map(|entry| entry.wanted.clone())
    }

    /// Says why a download does not go on, where nothing more telling is known.
    fn say(&self, key: (u64, u64), what: &str) {
        self.0.change_in(key, |entry| {
            if entry.state.phase == DownloadPhase::Searching {
                let failure = Failure {
                    kind: FailureKind::NoSource,
                    message: format!("{what}; looking on"),
                };
                entry.rest(DownloadPhase::Waiting, Some(failure));
            }
        });
        self.schedule();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_searches_at_once_then_one_in_a_while() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        let mut begun = 0;
        while allowance.take(start).is_ok() {
            begun += 1;
        }
        assert_eq!(begun, Allowance::MOST);
        let later = start + Allowance::EVERY / 3;
        assert_eq!(
            allowance.take(later),
            Err(Allowance::EVERY - Allowance::EVERY / 3)
        );
        assert_eq!(allowance.take(start + Allowance::EVERY), Ok(()));
        assert!(allowance.take(start + Allowance::EVERY).is_err());
        let much_later = start + Allowance::EVERY * 1_000;
        let begun = (0..100).filter(|_| allowance.take(much_later).is_ok());
        assert_eq!(begun.count(), Allowance::MOST as usize);
    }
}
