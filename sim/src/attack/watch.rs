//! What is counted of the searches of honest servents while others attack.

use std::collections::{BTreeMap, BTreeSet};

use filbert::overlay::Instant;
use filbert::wire::query_hit::QueryHit;
use filbert::wire::{Descriptor, Guid};

/// A search of an honest servent, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// Who searches.
    pub source: u32,
    /// For which file.
    pub file: u32,
    /// When it begins.
    pub begins: Instant,
    /// Whether it counts.
    pub counts: bool,
    /// Honest servents that took the query.
    pub reached: u64,
    /// Hits that honest servents sent for it.
    pub sent: u64,
    /// Those of them that came to who searches.
    pub arrived: u64,
    /// Results of honest servents that who searches is shown, and of all others.
    pub genuine: u64,
    pub made_up: u64,
    /// Who answered.
    pub answered: BTreeSet<Guid>,
    /// Microseconds to the first genuine result.
    pub first: Option<u64>,
}

/// All searches, and by which GUIDs those that are under way are known.
#[derive(Debug)]
pub(super) struct Watch {
    pub searches: Vec<Search>,
    under_way: BTreeMap<Guid, usize>,
    honest: BTreeSet<Guid>,
    /// Whether who searches is shown what its servent takes, or all that comes.
    judged: bool,
}

impl Search {
    /// One that has not begun.
    pub(super) const fn new(source: u32, file: u32, begins: Instant, counts: bool) -> Self {
        Self {
            source,
            file,
            begins,
            counts,
            reached: 0,
            sent: 0,
            arrived: 0,
            genuine: 0,
            made_up: 0,
            answered: BTreeSet::new(),
            first: None,
        }
    }
}

impl Watch {
    /// A watch over these searches, where these servents are honest.
    pub(super) const fn new(searches: Vec<Search>, honest: BTreeSet<Guid>, judged: bool) -> Self {
        Self {
            searches,
            under_way: BTreeMap::new(),
            honest,
            judged,
        }
    }

    /// A search begins under a GUID.
    pub(super) fn begin(&mut self, search: usize, guid: Guid) {
        self.under_way.insert(guid, search);
    }

    /// Nobody waits for a search any more.
    pub(super) fn end(&mut self, search: usize) {
        self.under_way.retain(|_, under_way| *under_way != search);
    }

    /// The search that has this GUID, if it counts and is under way.
    pub(super) fn counted(&self, guid: Guid) -> Option<usize> {
        let search = *self.under_way.get(&guid)?;
        self.searches[search].counts.then_some(search)
    }

    /// An honest servent answers.
    pub(super) fn answers(&mut self, hit: &Descriptor) {
        if let Some(search) = self.counted(hit.header.guid) {
            self.searches[search].sent += 1;
        }
    }

    /// A hit comes to a servent, which need not be the one that searches.
    pub(super) fn arrives(&mut self, now: Instant, node: u32, hit: &Descriptor) {
        let Some(search) = self.counted(hit.header.guid) else {
            return;
        };
        if self.searches[search].source != node {
            return;
        }
        let Ok(read) = QueryHit::decode(&hit.payload) else {
            return;
        };
        self.searches[search].arrived += u64::from(self.honest.contains(&read.servent));
        if !self.judged {
            self.show(now, search, &read);
        }
    }

    /// A servent takes a hit for its search.
    pub(super) fn taken(&mut self, now: Instant, search: usize, hit: &QueryHit) {
        if self.judged && self.searches[search].counts {
            self.show(now, search, hit);
        }
    }

    fn show(&mut self, now: Instant, search: usize, hit: &QueryHit) {
        let honest = self.honest.contains(&hit.servent);
        let search = &mut self.searches[search];
        let (begins, results) = (search.begins, hit.results.len() as u64);
        if !honest {
            search.made_up += results;
            return;
        }
        search.genuine += results;
        search.answered.insert(hit.servent);
        search
            .first
            .get_or_insert_with(|| now.since(begins).as_micros());
    }
}
