//! Searches of this node and what they found, grouped by content.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::channel::mpsc;

use super::callees::stand_in;
use super::ground::is_private;
use super::state::{Found, SearchPhase, SearchState, Source};
use super::wish::Wish;
use crate::overlay::SearchId;
use crate::overlay::settings::VENDOR;
use crate::wire::address::Reach;
use crate::wire::query_hit::{QueryHit, Record};
use crate::wire::urn::Sha1;

/// Caps on what strangers may make a node remember of their answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchLimits {
    /// Searches kept with their results; the oldest makes room.
    pub searches: usize,
    /// Contents kept of one search; more are counted, not kept.
    pub results: usize,
    /// Sources kept of one content.
    pub sources: usize,
    /// How long hits of a search are taken.
    pub life: Duration,
}

impl Default for SearchLimits {
    fn default() -> Self {
        Self {
            searches: 64,
            results: 10_000,
            sources: 256,
            life: Duration::from_secs(120),
        }
    }
}

/// One hit as a search's stream gives it: a file at a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The number of its content in this node, by which it can be fetched.
    pub number: u64,
    /// Its name at this source.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-1, where the hit told it.
    pub sha1: Option<Sha1>,
    /// Who has it.
    pub source: Source,
}

/// Of the push proxies that a hit names, as many as are remembered.
const PROXIES: usize = 4;

/// All searches of a node.
#[derive(Debug)]
pub(super) struct Searches {
    limits: SearchLimits,
    last_id: u64,
    last_number: u64,
    table: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    state: SearchState,
    wish: Wish,
    ends: Instant,
    /// Where each content stands in the results.
    places: HashMap<Content, usize>,
    listener: Option<mpsc::Sender<Hit>>,
}

/// What makes two results the same content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Content {
    Hashed(Sha1, u64),
    Named(String, u64),
}

impl Searches {
    pub(super) const fn new(limits: SearchLimits) -> Self {
        Self {
            limits,
            last_id: 0,
            last_number: 0,
            table: BTreeMap::new(),
        }
    }

    /// Begins a search; its hits also go to `listener` while that lives.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        wish: Wish,
        listener: Option<mpsc::Sender<Hit>>,
    ) -> SearchId {
        self.last_id += 1;
        let id = self.last_id;
        let state = SearchState {
            id,
            query: wish.text.clone(),
            version: 0,
            state: SearchPhase::Searching,
            results: Vec::new(),
        };
        while self.table.len() >= self.limits.searches.max(1) {
            let over = |entry: &&Entry| entry.state.state == SearchPhase::Finished;
            let oldest = self.table.values().find(over).map(|entry| entry.state.id);
            match oldest {
                Some(id) => self.table.remove(&id),
                None => self.table.pop_first().map(|(_, entry)| entry),
            };
        }
        let ends = now + self.limits.life;
        self.table.insert(
            id,
            Entry {
                state,
                wish,
                ends,
                places: HashMap::new(),
                listener,
            },
        );
        SearchId(id)
    }

    /// Takes a hit. `from` is the neighbour that brought it; sources that fail `usable` are left
    /// out. Says whether anything changed.
    pub(super) fn take(
        &mut self,
        search: SearchId,
        hit: QueryHit,
        hops: u8,
        from: SocketAddr,
        usable: impl Fn(SocketAddr) -> bool,
    ) -> bool {
        let Some(entry) = self.table.get_mut(&search.0) else {
            return false;
        };
        if entry.state.state == SearchPhase::Finished {
            return false;
        }
        let mut address = SocketAddr::from((hit.ip, hit.port));
        // A neighbour is where its link ends, whatever it says: where it says nothing, or what is
        // no address from here (protocol §5.5).
        if hops == 1 && (hit.ip.is_unspecified() || differs(address, from)) {
            address.set_ip(from.ip());
        }
        let trailer = hit.trailer.as_ref();
        let firewalled = trailer.is_some_and(|trailer| trailer.push == Some(true));
        if !usable(address) {
            // Who is pushed need not be where it says.
            if !firewalled || hit.servent.is_zero() {
                return false;
            }
            address = stand_in(hit.servent, hit.port);
        }
        // Only who cannot be connected to has any.
        let proxies: Vec<Reach> = trailer
            .filter(|_| firewalled)
            .into_iter()
            .flat_map(|trailer| trailer.push_proxies(PROXIES))
            .filter(|proxy| usable(SocketAddr::V4(proxy.address)))
            .collect();
        let vendor = hit.trailer.as_ref().map_or_else(String::new, |trailer| {
            trailer
                .vendor
                .iter()
                .map(|byte| char::from(*byte))
                .filter(char::is_ascii_graphic)
                .collect()
        });
        let tls = hit
            .trailer
            .as_ref()
            .is_some_and(|trailer| trailer.vendor == VENDOR && trailer.accepts_tls());
        let mut changed = false;
        let wish = &entry.wish;
        let wanted: Vec<Record> = hit
            .results
            .into_iter()
            .filter(|record| wish.takes(record))
            .collect();
        for record in wanted {
            let source = Source {
                address,
                servent: hit.servent,
                index: record.index,
                hops,
                vendor: vendor.clone(),
                firewalled,
                tls,
                proxies: proxies.clone(),
            };
            changed |= entry.add(record, source, &self.limits, &mut self.last_number);
        }
        if changed {
            entry.state.version += 1;
        }
        changed
    }

    /// Ends searches whose time is over and gives their ids.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<SearchId> {
        let over: Vec<SearchId> = self
            .table
            .values()
            .filter(|entry| entry.state.state == SearchPhase::Searching && entry.ends <= now)
            .map(|entry| SearchId(entry.state.id))
            .collect();
        for id in &over {
            self.finish(*id);
        }
        over
    }

    /// Takes hits again of a search that is over; its results stay. Says whether there is one.
    pub(super) fn renew(&mut self, now: Instant, id: SearchId) -> bool {
        let Some(entry) = self.table.get_mut(&id.0) else {
            return false;
        };
        entry.ends = now + self.limits.life;
        entry.state.state = SearchPhase::Searching;
        entry.state.version += 1;
        true
    }

    /// Ends a search; its results stay.
    pub(super) fn finish(&mut self, id: SearchId) -> bool {
        let Some(entry) = self.table.get_mut(&id.0) else {
            return false;
        };
        let was = std::mem::replace(&mut entry.state.state, SearchPhase::Finished);
        entry.listener = None;
        entry.state.version += u64::from(was == SearchPhase::Searching);
        was == SearchPhase::Searching
    }

    /// Ends all searches.
    pub(super) fn finish_all(&mut self) {
        let all: Vec<SearchId> = self.table.keys().copied().map(SearchId).collect();
        for id in all {
            self.finish(id);
        }
    }

    /// Forgets a search and what it found.
    pub(super) fn forget(&mut self, id: SearchId) {
        self.table.remove(&id.0);
    }

    pub(super) fn state(&self, id: u64) -> Option<&SearchState> {
        self.table.get(&id).map(|entry| &entry.state)
    }

    pub(super) fn states(&self) -> impl Iterator<Item = &SearchState> {
        self.table.values().map(|entry| &entry.state)
    }

    /// The content with this number, whichever search found it.
    pub(super) fn numbered(&self, number: u64) -> Option<&Found> {
        self.states()
            .flat_map(|state| &state.results)
            .find(|found| found.number == number)
    }

    /// The source at an address that was found last, whatever it has.
    pub(super) fn source_at(&self, address: SocketAddr) -> Option<&Source> {
        let found = self
            .table
            .values()
            .rev()
            .flat_map(|entry| &entry.state.results);
        let mut sources = found.flat_map(|found| &found.sources);
        sources.find(|source| source.address == address)
    }

    /// Every source of a content that any search found.
    pub(super) fn holders(&self, sha1: Sha1) -> impl Iterator<Item = &Found> {
        self.states()
            .flat_map(|state| &state.results)
            .filter(move |found| found.sha1 == Some(sha1))
    }
}

/// Whether a neighbour of the public network tells another address than its own.
fn differs(told: SocketAddr, from: SocketAddr) -> bool {
    !is_private(from.ip()) && told.ip() != from.ip()
}

impl Entry {
    /// Adds a record; says whether it was new.
    fn add(
        &mut self,
        record: Record,
        source: Source,
        limits: &SearchLimits,
        last_number: &mut u64,
    ) -> bool {
        let (sha1, tiger_root) = (record.sha1(), record.tiger_root());
        let content = match sha1 {
            // Whoever lies about the size must not stand in the way of those who do not.
            Some(sha1) => Content::Hashed(sha1, record.size),
            None => Content::Named(record.name.clone(), record.size),
        };
        let results = &mut self.state.results;
        let place = match self.places.get(&content) {
            Some(place) => *place,
            None if results.len() >= limits.results => return false,
            None => {
                *last_number += 1;
                results.push(Found {
                    number: *last_number,
                    name: record.name.clone(),
                    size: record.size,
                    sha1,
                    tiger_root,
                    hops: source.hops,
                    sources: Vec::new(),
                });
                self.places.insert(content, results.len() - 1);
                results.len() - 1
            }
        };
        let found = &mut results[place];
        let known = |old: &Source| old.address == source.address && old.servent == source.servent;
        if found.sources.len() >= limits.sources || found.sources.iter().any(known) {
            return false;
        }
        found.hops = found.hops.min(source.hops);
        found.tiger_root = found.tiger_root.or(tiger_root);
        found.sources.push(source.clone());
        if let Some(listener) = &mut self.listener {
            let hit = Hit {
                number: found.number,
                name: record.name,
                size: record.size,
                sha1,
                source,
            };
            // A stream that is not read misses hits; the state has them all.
            if listener
                .try_send(hit)
                .is_err_and(|error| error.is_disconnected())
            {
                self.listener = None;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Guid;

    const NEIGHBOUR: &str = "127.0.0.1:9";

    fn hit(last: u8, port: u16, records: &[(&str, u64, u8)]) -> QueryHit {
        let results = records.iter().zip(1..).map(|((name, size, sha1), index)| {
            Record::new(
                index,
                *size,
                (*name).to_owned(),
                Some(Sha1::from_bytes([*sha1; 20])),
                None,
            )
        });
        QueryHit {
            port,
            ip: [10, 0, 0, last].into(),
            speed: 0,
            results: results.collect(),
            trailer: None,
            servent: Guid::from_bytes([last; 16]),
        }
    }

    fn take(searches: &mut Searches, id: SearchId, hit: QueryHit, hops: u8) -> bool {
        searches.take(id, hit, hops, NEIGHBOUR.parse().unwrap(), |_| true)
    }

    #[test]
    fn one_content_has_one_number_and_many_sources() {
        let mut searches = Searches::new(SearchLimits::default());
        let id = searches.begin(Instant::now(), Wish::new("song"), None);
        assert!(take(&mut searches, id, hit(1, 1, &[("song.ogg", 9, 7)]), 3));
        assert!(take(
            &mut searches,
            id,
            hit(2, 1, &[("my song.ogg", 9, 7), ("song.txt", 2, 8)]),
            2
        ));
        assert!(
            !take(&mut searches, id, hit(2, 1, &[("my song.ogg", 9, 7)]), 2),
            "said twice"
        );
        assert!(
            take(&mut searches, id, hit(3, 1, &[("song.ogg", 10, 7)]), 1),
            "another size is another content"
        );
        let state = searches.state(1).unwrap();
        let seen: Vec<_> = state
            .results
            .iter()
            .map(|f| (f.number, f.hops, f.sources.len()))
            .collect();
        assert_eq!(seen, [(1, 2, 2), (2, 2, 1), (3, 1, 1)]);
        assert_eq!(searches.numbered(2).unwrap().name, "song.txt");
        assert_eq!(searches.holders(Sha1::from_bytes([7; 20])).count(), 2);
    }

    #[test]
    fn a_neighbour_of_the_public_network_is_where_its_link_ends() {
        let mut searches = Searches::new(SearchLimits::default());
        let id = searches.begin(Instant::now(), Wish::new("song"), None);
        let from = "198.51.100.7:5555".parse().unwrap();
        for hops in [1, 2] {
            let hit = hit(hops, 6346, &[("song.ogg", 9, 7)]);
            assert!(searches.take(id, hit, hops, from, |_| true));
        }
        let sources = &searches.state(1).unwrap().results[0].sources;
        let addresses = sources.iter().map(|source| source.address.to_string());
        let expected = ["198.51.100.7:6346", "10.0.0.2:6346"];
        assert_eq!(addresses.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_strangers_send_is_capped() {
        let limits = SearchLimits {
            searches: 2,
            results: 2,
            sources: 2,
            ..SearchLimits::default()
        };
        let mut searches = Searches::new(limits);
        let now = Instant::now();
        let id = searches.begin(now, Wish::new("a"), None);
        for last in 0..9 {
            take(
                &mut searches,
                id,
                hit(last, 1, &[("x", 1, 0), ("y", 1, last)]),
                1,
            );
        }
        let state = searches.state(1).unwrap();
        assert!(state.results.len() == 2 && state.results.iter().all(|f| f.sources.len() <= 2));
        searches.begin(now, Wish::new("b"), None);
        searches.begin(now, Wish::new("c"), None);
        assert!(searches.state(1).is_none() && searches.state(3).is_some());
    }

    #[test]
    fn a_finished_search_takes_no_more() {
        let mut searches = Searches::new(SearchLimits::default());
        let now = Instant::now();
        let id = searches.begin(now, Wish::new("a"), None);
        assert_eq!(searches.expire(now), []);
        assert_eq!(searches.expire(now + Duration::from_secs(3600)), [id]);
        assert!(!take(&mut searches, id, hit(1, 1, &[("x", 1, 0)]), 1));
        assert!(searches.renew(now, id) && !searches.renew(now, SearchId(9)));
        assert!(take(&mut searches, id, hit(1, 1, &[("x", 1, 0)]), 1));
    }
}
