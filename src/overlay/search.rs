//! Our own searches: which GUIDs are ours, so that their hits end here.

use super::limits::Limits;
use super::time::Instant;
use crate::wire::query::Query;
use crate::wire::{Descriptor, Guid, Header, Kind};

/// A search of this servent: a number that the driver chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SearchId(pub u64);

/// Searches that still want hits, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Searches(Vec<Search>);

#[derive(Clone, Debug)]
struct Search {
    id: SearchId,
    begun: Instant,
    /// Results that came.
    kept: u32,
    query: Descriptor,
    /// The words searched for.
    words: String,
}

impl Searches {
    /// How many run.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Begins a search and gives the query to send. The oldest makes room where there are too
    /// many.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        id: SearchId,
        guid: Guid,
        ttl: u8,
        query: &Query,
        limits: &Limits,
    ) -> Descriptor {
        if self.0.len() >= limits.searches.max(1) {
            self.0.remove(0);
        }
        let header = Header {
            guid,
            kind: Kind::Query,
            ttl,
            hops: 0,
        };
        let payload = query.encode();
        let descriptor = Descriptor { header, payload };
        self.0.push(Search {
            id,
            begun: now,
            kept: 0,
            query: descriptor.clone(),
            words: query.search_text().to_owned(),
        });
        descriptor
    }

    /// Ends a search, and gives the GUID it asked with: its late hits are dropped.
    pub(super) fn cancel(&mut self, id: SearchId) -> Option<Guid> {
        let place = self.0.iter().position(|search| search.id == id)?;
        Some(self.0.remove(place).query.header.guid)
    }

    /// The search that asked with this GUID, and its words.
    pub(super) fn of(&self, guid: Guid) -> Option<(SearchId, &str)> {
        self.0
            .iter()
            .find(|search| search.query.header.guid == guid)
            .map(|search| (search.id, search.words.as_str()))
    }

    /// So many results came for the search that asked with this GUID.
    pub(super) fn keep(&mut self, guid: Guid, results: u32) {
        let asked = |search: &&mut Search| search.query.header.guid == guid;
        if let Some(search) = self.0.iter_mut().find(asked) {
            search.kept = search.kept.saturating_add(results);
        }
    }

    /// How many results came for it, while it wants some.
    pub(super) fn kept(&self, guid: Guid) -> Option<u16> {
        let search = self
            .0
            .iter()
            .find(|search| search.query.header.guid == guid)?;
        Some(u16::try_from(search.kept).unwrap_or(u16::MAX))
    }

    /// The queries young enough to be sent to a neighbour that is new.
    pub(super) fn fresh(&self, now: Instant, limits: &Limits) -> impl Iterator<Item = &Descriptor> {
        let life = limits.search_life;
        self.0
            .iter()
            .filter(move |search| now.since(search.begun) < life)
            .map(|s| &s.query)
    }
}
