//! The dynamic queries that a servent runs, by GUID.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::Link;
use super::super::time::Instant;
use super::candidate::Candidate;
use super::outcomes::{Outcomes, Reason};
use super::policy::SearchPolicy;
use super::query::{Asker, Demand, DynamicQuery, Step};
use super::settings::Settings;
use crate::wire::Guid;

/// What a dynamic query wants done, and which one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send the query, hops 0.
    Copy {
        /// Its GUID.
        guid: Guid,
        /// Over which link.
        link: Link,
        /// With which TTL.
        ttl: u8,
        /// Its payload, shared by all copies.
        payload: Bytes,
    },
    /// Ask a leaf how many results it kept: BEAR/11 with the query's GUID (protocol §8.5).
    AskLeaf {
        /// The query.
        guid: Guid,
        /// The leaf.
        leaf: Link,
    },
    /// A query is over and forgotten.
    Finished {
        /// The query.
        guid: Guid,
        /// Whose it was.
        asker: Asker,
        /// Why.
        reason: Reason,
        /// Results that it brought.
        results: u32,
        /// Hosts that it is taken to have reached.
        reached: u64,
    },
}

/// What the queries need and do not own, handed in with every input.
#[derive(Debug)]
pub struct Around<'a, P: ?Sized> {
    /// The parameters.
    pub settings: &'a Settings,
    /// How searches spend their budget.
    pub policy: &'a P,
    /// Counters.
    pub outcomes: &'a mut Outcomes,
    /// Takes the effects, in order.
    pub out: &'a mut Vec<Output>,
}

/// The queries that run. A fixed number at most; in the order of their GUIDs, so that a run is
/// repeatable.
#[derive(Clone, Debug, Default)]
pub struct DynamicQueries {
    queries: BTreeMap<Guid, Running>,
    deadline: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Running {
    query: DynamicQuery,
    payload: Bytes,
}

impl DynamicQueries {
    /// Begins a query that was offered to `leaves` leaves of our own; its copies come with the
    /// next ticks. Where too many run the oldest makes room: of the same leaf, or of any leaf,
    /// or else of ours. One that runs already goes on as it is.
    pub fn start<P>(
        &mut self,
        now: Instant,
        guid: Guid,
        payload: Bytes,
        demand: Demand,
        leaves: usize,
        around: &mut Around<'_, P>,
    ) where
        P: ?Sized,
    {
        if self.queries.contains_key(&guid) {
            return;
        }
        self.make_room(demand.asker, around);
        let query = DynamicQuery::start(now, demand, leaves, salt(guid), around.settings);
        self.schedule(query.due(around.settings), around.settings);
        self.queries.insert(guid, Running { query, payload });
        around.outcomes.started += 1;
    }

    /// So many results came for a query, which may be none of these.
    pub fn hits<P: ?Sized>(
        &mut self,
        now: Instant,
        guid: Guid,
        count: u32,
        around: &mut Around<'_, P>,
    ) {
        let settings = around.settings;
        self.update(guid, around, |query| query.hits(now, count, settings));
    }

    /// A leaf says over `link` how many results of its query it keeps. Others have no say.
    pub fn kept<P: ?Sized>(
        &mut self,
        guid: Guid,
        link: Link,
        kept: u16,
        around: &mut Around<'_, P>,
    ) {
        let settings = around.settings;
        self.update(guid, around, |query| match query.asker() {
            Asker::Leaf { link: leaf, .. } if leaf == link => query.kept(kept, settings),
            Asker::Leaf { .. } | Asker::Own => None,
        });
    }

    /// A link is gone: that of a leaf or of a neighbour.
    pub fn gone<P: ?Sized>(&mut self, now: Instant, link: Link, around: &mut Around<'_, P>) {
        let guids: Vec<Guid> = self.queries.keys().copied().collect();
        for guid in guids {
            self.update(guid, around, |query| query.gone(now, link));
        }
    }

    /// The user wants no more of a query.
    pub fn cancel<P: ?Sized>(&mut self, guid: Guid, around: &mut Around<'_, P>) {
        self.update(guid, around, |query| Some(query.finish(Reason::Cancelled)));
    }

    /// The deadline passed. `candidates` is asked for each query that is due: it appends the
    /// neighbours that are ultrapeers, with what their tables say of the payload.
    pub fn tick<P, F>(&mut self, now: Instant, mut candidates: F, around: &mut Around<'_, P>)
    where
        P: SearchPolicy + ?Sized,
        F: FnMut(&Bytes, &mut Vec<Candidate>),
    {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        let (mut offered, mut steps) = (Vec::new(), Vec::new());
        self.queries.retain(|&guid, running| {
            if now < running.query.due(around.settings) {
                return true;
            }
            offered.clear();
            candidates(&running.payload, &mut offered);
            running
                .query
                .tick(now, &offered, around.policy, around.settings, &mut steps);
            let mut over = false;
            for step in steps.drain(..) {
                over |= matches!(step, Step::Finished(_));
                tell(guid, running, step, around);
            }
            !over
        });
        self.deadline = None;
        let next = self
            .queries
            .values()
            .map(|running| running.query.due(around.settings));
        if let Some(next) = next.min() {
            self.schedule(next, around.settings);
        }
    }

    /// When to call [`tick`](Self::tick) next, if ever. Coarse: a multiple of
    /// [`Settings::grain`]; hits never bring it forward but by their question to a leaf.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The query with this GUID, while it runs.
    #[must_use]
    pub fn get(&self, guid: Guid) -> Option<&DynamicQuery> {
        Some(&self.queries.get(&guid)?.query)
    }

    /// How many run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queries.len()
    }

    /// Whether none runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    /// Lets a query do something and does what it wants.
    fn update<P: ?Sized>(
        &mut self,
        guid: Guid,
        around: &mut Around<'_, P>,
        input: impl FnOnce(&mut DynamicQuery) -> Option<Step>,
    ) {
        let Some(running) = self.queries.get_mut(&guid) else {
            return;
        };
        let step = input(&mut running.query);
        let due = running.query.due(around.settings);
        if let Some(step) = step {
            tell(guid, running, step, around);
        }
        if matches!(step, Some(Step::Finished(_))) {
            self.queries.remove(&guid);
        } else {
            self.schedule(due, around.settings);
        }
    }

    fn make_room<P: ?Sized>(&mut self, asker: Asker, around: &mut Around<'_, P>) {
        if let Asker::Leaf { link, .. } = asker {
            let limit = around.settings.running_per_leaf;
            self.displace(limit, around, |query| is_of(query, link));
        }
        let limit = around.settings.running;
        if self.queries.len() >= limit {
            let leaves = |query: &DynamicQuery| query.asker() != Asker::Own;
            if !self.displace(1, around, leaves) {
                self.displace(1, around, |_| true);
            }
        }
    }

    /// Ends the oldest query of a kind of which `limit` run; whether there was one.
    fn displace<P: ?Sized>(
        &mut self,
        limit: usize,
        around: &mut Around<'_, P>,
        kind: impl Fn(&DynamicQuery) -> bool,
    ) -> bool {
        let those = || {
            self.queries
                .iter()
                .filter(|(_, running)| kind(&running.query))
        };
        if those().count() < limit {
            return false;
        }
        let oldest = those().min_by_key(|(_, running)| running.query.begun());
        let Some((&guid, _)) = oldest else {
            return false;
        };
        self.update(guid, around, |query| Some(query.finish(Reason::MadeRoom)));
        true
    }

    /// Brings the deadline forward to `due`, rounded up to the grain.
    fn schedule(&mut self, due: Instant, settings: &Settings) {
        let grain = settings.grain.as_micros().max(1);
        let due = due.as_micros().div_ceil(grain).saturating_mul(grain);
        let due = Instant::from_micros(due);
        self.deadline = Some(self.deadline.map_or(due, |set| set.min(due)));
    }
}

/// Counts a step and gives it to the driver.
fn tell<P: ?Sized>(guid: Guid, running: &Running, step: Step, around: &mut Around<'_, P>) {
    let query = &running.query;
    around.out.push(match step {
        Step::Copy { link, ttl } => {
            around.outcomes.copies += 1;
            Output::Copy {
                guid,
                link,
                ttl,
                payload: running.payload.clone(),
            }
        }
        Step::AskLeaf => {
            let Asker::Leaf { link: leaf, .. } = query.asker() else {
                return;
            };
            around.outcomes.asked += 1;
            Output::AskLeaf { guid, leaf }
        }
        Step::Finished(reason) => {
            let (reached, results) = (query.reached(), query.routed());
            around.outcomes.finish(reason, reached, results);
            Output::Finished {
                guid,
                asker: query.asker(),
                reason,
                results,
                reached,
            }
        }
    });
}

fn is_of(query: &DynamicQuery, link: Link) -> bool {
    matches!(query.asker(), Asker::Leaf { link: leaf, .. } if leaf == link)
}

/// A number of a query that differs from the next one's.
fn salt(guid: Guid) -> u64 {
    guid.as_bytes()
        .iter()
        .fold(0, |salt: u64, &byte| salt.rotate_left(8) ^ u64::from(byte))
}
