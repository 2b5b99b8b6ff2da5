//! What servents share and search for, and what comes of it.

use std::collections::{BTreeMap, BTreeSet};

use filbert::overlay::{Input, SearchId};
use filbert::wire::query::Query;
use filbert::wire::query_hit::QueryHit;
use filbert::wire::{Descriptor, Guid, Kind};
use rand::RngExt;

use super::churn::Length;
use super::place::node_at;
use super::spec::Spec;
use super::world::{Appointment, World};
use crate::contents::{Contents, Placement, name, power_sums, zipf};
use crate::population::taken;
use crate::random::{Purpose, generator};

/// The searches of all servents.
#[derive(Debug, Default)]
pub(super) struct Searches {
    /// By which sums a file is drawn.
    popularity: Vec<f64>,
    /// Who holds each file.
    holders: Vec<Vec<u32>>,
    begun: u64,
    running: BTreeMap<u64, Search>,
    by_guid: BTreeMap<Guid, u64>,
    /// The one that is being handed in, whose GUID is not known yet.
    fresh: Option<u64>,
    /// Those that are over.
    pub(super) over: Vec<Search>,
}

/// A search, and what came of it so far.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// Who asks, in which of its sessions.
    asker: (u32, u32),
    guid: Option<Guid>,
    /// When it began, in microseconds.
    pub(super) begun: u64,
    /// Servents that were there.
    pub(super) present: u32,
    /// Others that were there and hold the file.
    pub(super) holders: u32,
    /// Servents that got the query.
    pub(super) reached: u32,
    /// Who answered.
    pub(super) answered: BTreeSet<u32>,
    /// When the first answer came, in microseconds.
    pub(super) first: Option<u64>,
}

/// What the servents of a network share, and what they may search for.
pub(super) fn wares(spec: &Spec, seed: u64) -> (Contents, Searches) {
    let servents = spec.servents as usize;
    let Some(catalogue) = &spec.catalogue else {
        return (Placement::default().settle(servents), Searches::default());
    };
    let rng = &mut generator(seed, Purpose::Contents);
    let sharers = spec.sharing.among((0..spec.servents).collect(), rng);
    let mut placement = Placement::default();
    for (number, copies) in (0..).zip(catalogue.allot(sharers.len())) {
        let file = placement.file(&name(number));
        placement.scatter(file, copies, &sharers, rng);
    }
    let files = placement.files();
    let contents = placement.settle(servents);
    let searches = Searches {
        popularity: power_sums(catalogue.files, catalogue.popularity),
        holders: contents.all_holders(files),
        ..Searches::default()
    };
    (contents, searches)
}

impl World {
    /// Somebody who is there searches for something, and somebody will again.
    pub(super) fn search_somewhere(&mut self) {
        let present = self.present.len();
        if present > 0 {
            let node = self.present[self.rng.random_range(0..present)];
            let file = zipf(&self.searches.popularity, &mut self.rng);
            self.search(node, file);
        }
        let mean = 3_600.0 / (self.spec.searches * present.max(1) as f64);
        let pause = Length::Exponential { mean }.draw(&mut self.rng);
        let next = self.now.as_micros() + pause.unwrap_or_default();
        self.appoint(next, Appointment::Search);
    }

    /// A servent that is there searches for a file of the catalogue, by its rank from 0.
    pub(super) fn search(&mut self, node: u32, file: usize) {
        let number = self.searches.begun;
        self.searches.begun += 1;
        let there = |holder: &&u32| **holder != node && self.members[**holder as usize].is_some();
        let holders = self.searches.holders[file].iter().filter(there).count();
        let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
        let search = Search {
            asker: (node, self.traits[node as usize].sessions),
            guid: None,
            begun: self.now.as_micros(),
            present: count(self.present.len()),
            holders: count(holders),
            reached: 0,
            answered: BTreeSet::new(),
            first: None,
        };
        self.searches.running.insert(number, search);
        self.searches.fresh = Some(number);
        let file = u32::try_from(file).unwrap_or(u32::MAX);
        let query = &Query::keywords(&name(file)).expect("two words are a query");
        let (id, ttl) = (SearchId(number), None);
        self.enter(node, Input::Search { id, query, ttl }, None);
        self.searches.fresh = None;
        let end = self.now.as_micros() + PATIENCE;
        self.appoint(end, Appointment::Cancel(number));
    }

    /// A search has had its time. It counts where who asked is still there.
    pub(super) fn end_search(&mut self, number: u64) {
        let Some(search) = self.searches.running.remove(&number) else {
            return;
        };
        if let Some(guid) = search.guid {
            self.searches.by_guid.remove(&guid);
        }
        let (node, session) = search.asker;
        let at = node as usize;
        if self.members[at].is_some() && self.traits[at].sessions == session {
            let id = SearchId(number);
            self.enter(node, Input::Cancel { id }, None);
            self.searches.over.push(search);
        }
    }

    /// Learns the GUID of a search from the first query that is sent for it.
    pub(super) fn watch_query(&mut self, node: u32, sent: &Descriptor) {
        let Some(number) = self.searches.fresh else {
            return;
        };
        let running = self.searches.running.get_mut(&number);
        if let Some(search) = running.filter(|search| search.asker.0 == node)
            && sent.header.kind == Kind::Query
        {
            search.guid = Some(sent.header.guid);
            self.searches.by_guid.insert(sent.header.guid, number);
            self.searches.fresh = None;
        }
    }

    /// How many queries were taken so far, before a descriptor of a search is handed in.
    pub(super) fn taken(&self, descriptor: &Descriptor) -> Option<u64> {
        let header = &descriptor.header;
        let of_search =
            header.kind == Kind::Query && self.searches.by_guid.contains_key(&header.guid);
        of_search.then(|| taken(&self.stats))
    }

    /// Counts whom a search reached.
    pub(super) fn count_taken(&mut self, before: Option<u64>, descriptor: &Descriptor) {
        if before.is_some_and(|before| taken(&self.stats) > before)
            && let Some(number) = self.searches.by_guid.get(&descriptor.header.guid)
            && let Some(search) = self.searches.running.get_mut(number)
        {
            search.reached += 1;
        }
    }

    /// A servent's search was answered.
    pub(super) fn found(&mut self, node: u32, id: SearchId, hit: &QueryHit) {
        let now = self.now.as_micros();
        let who = node_at((hit.ip, hit.port).into(), self.spec.servents);
        let running = self.searches.running.get_mut(&id.0);
        if let Some(search) = running.filter(|search| search.asker.0 == node)
            && let Some(who) = who
        {
            search.first.get_or_insert(now);
            search.answered.insert(who);
        }
    }
}

/// How long a search goes on, in microseconds: as that of a live servent.
const PATIENCE: u64 = 120_000_000;
