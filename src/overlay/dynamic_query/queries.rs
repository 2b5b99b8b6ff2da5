//! The dynamic queries that a servent runs, by GUID.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::Link;
use super::super::time::Instant;
use super::candidate::Candidate;
use super::outcomes::{Outcomes, Reason};
use super::output::Output;
use super::policy::SearchPolicy;
use super::query::{Asker, Demand, DynamicQuery, Step};
use super::settings::Settings;
use crate::wire::Guid;

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
    /// [`Settings::grain`], and no hit brings it forward.
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
    match step {
        Step::Copy { .. } => around.outcomes.copies += 1,
        Step::AskLeaf => around.outcomes.asked += 1,
        Step::Finished(reason) => {
            let (reached, results) = (query.reached(), query.routed());
            around.outcomes.finish(reason, reached, results);
        }
    }
    let output = Output::of(guid, query, &running.payload, step);
    around.out.extend(output);
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

#[cfg(test)]
mod tests {
    use super::super::super::time::Duration;
    use super::super::{Standard, Table};
    use super::*;

    /// A servent's dynamic queries with two neighbours that are ultrapeers.
    #[derive(Default)]
    struct Servent {
        queries: DynamicQueries,
        settings: Settings,
        outcomes: Outcomes,
        out: Vec<Output>,
    }

    impl Servent {
        fn with(settings: Settings) -> Self {
            Self {
                settings,
                ..Self::default()
            }
        }

        /// Hands in an input and gives what came of it.
        fn input(
            &mut self,
            input: impl FnOnce(&mut DynamicQueries, &mut Around<'_, Standard>),
        ) -> Vec<Output> {
            let mut around = Around {
                settings: &self.settings,
                policy: &Standard,
                outcomes: &mut self.outcomes,
                out: &mut self.out,
            };
            input(&mut self.queries, &mut around);
            std::mem::take(&mut self.out)
        }

        fn start(&mut self, secs: u64, guid: u8, asker: Asker) -> Vec<Output> {
            let demand = self.settings.demand(asker, false);
            let payload = Bytes::from(vec![guid]);
            self.input(|queries, around| {
                queries.start(at(secs), name(guid), payload, demand, 0, around);
            })
        }

        fn tick(&mut self, now: Instant) -> Vec<Output> {
            self.input(|queries, around| {
                queries.tick(now, |_, offered| offered.extend(NEIGHBOURS), around);
            })
        }
    }

    const NEIGHBOURS: [Candidate; 2] = [neighbour(1), neighbour(2)];

    const fn neighbour(link: u32) -> Candidate {
        Candidate {
            link: Link(link),
            degree: Some(32),
            max_ttl: Some(3),
            table: Table::Unknown,
            age: Duration::from_secs(60),
            ext_probes: true,
            pending: 0,
        }
    }

    fn leaf(link: u32) -> Asker {
        Asker::Leaf {
            link: Link(link),
            guides: true,
        }
    }

    fn name(guid: u8) -> Guid {
        Guid::from_bytes([guid; 16])
    }

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    fn over(out: &[Output]) -> Vec<(u8, Reason)> {
        out.iter()
            .filter_map(|output| match output {
                Output::Finished { guid, reason, .. } => Some((guid.as_bytes()[0], *reason)),
                Output::Copy { .. } | Output::AskLeaf { .. } => None,
            })
            .collect()
    }

    #[test]
    fn copies_come_with_ticks_and_share_the_payload() {
        let mut servent = Servent::default();
        assert_eq!(servent.queries.deadline(), None);
        assert_eq!(servent.start(10, 7, leaf(9)), []);
        assert_eq!(servent.queries.deadline(), Some(at(10)));
        let out = servent.tick(at(10));
        let [
            Output::Copy {
                guid, ttl, payload, ..
            },
        ] = &out[..]
        else {
            panic!("one copy: {out:?}");
        };
        assert_eq!((*guid, *ttl, &payload[..]), (name(7), 3, &[7][..]));
        assert_eq!(
            servent.queries.deadline(),
            Some(Instant::from_micros(17_250_000)),
            "three hops of 2.4 s, rounded up"
        );
        assert_eq!(servent.tick(at(17)), [], "not yet");
        assert_eq!(servent.tick(at(18)).len(), 1);
        assert_eq!(over(&servent.tick(at(40))), [(7, Reason::NoNeighbours)]);
        assert_eq!(
            (servent.queries.deadline(), servent.queries.len()),
            (None, 0)
        );
        let outcomes = &servent.outcomes;
        assert_eq!((outcomes.started, outcomes.copies), (1, 2));
        assert_eq!(outcomes.finished_by(Reason::NoNeighbours), 1);
        assert_eq!(outcomes.reached, 1 + 2 * 635);
    }

    #[test]
    fn hits_end_a_query_at_once_and_move_no_deadline() {
        let mut servent = Servent::default();
        servent.start(0, 1, Asker::Own);
        servent.tick(at(0));
        let deadline = servent.queries.deadline();
        let hits = |servent: &mut Servent, guid, count| {
            servent.input(|queries, around| queries.hits(at(1), name(guid), count, around))
        };
        assert_eq!(hits(&mut servent, 1, 149), []);
        assert_eq!(hits(&mut servent, 2, 1_000), [], "nobody's");
        assert_eq!(servent.queries.deadline(), deadline);
        assert_eq!(over(&hits(&mut servent, 1, 1)), [(1, Reason::Enough)]);
        assert_eq!(servent.outcomes.results, 150);
        assert_eq!(hits(&mut servent, 1, 1), [], "forgotten");
    }

    #[test]
    fn only_the_leaf_that_asked_has_a_say() {
        let mut servent = Servent::default();
        servent.start(0, 1, leaf(9));
        let hits = servent.input(|queries, around| queries.hits(at(1), name(1), 20, around));
        let ask = Output::AskLeaf {
            guid: name(1),
            leaf: Link(9),
        };
        assert_eq!(hits, [ask]);
        let mut stop = |link| {
            servent.input(|queries, around| queries.kept(name(1), Link(link), 0xFFFF, around))
        };
        assert_eq!(stop(8), []);
        assert_eq!(over(&stop(9)), [(1, Reason::LeafStop)]);
    }

    #[test]
    fn a_leaf_takes_its_queries_along() {
        let mut servent = Servent::default();
        for (guid, link) in [(1, 8), (2, 9), (3, 8)] {
            servent.start(0, guid, leaf(link));
        }
        let out = servent.input(|queries, around| queries.gone(at(1), Link(8), around));
        assert_eq!(over(&out), [(1, Reason::LeafGone), (3, Reason::LeafGone)]);
        let out = servent.input(|queries, around| queries.cancel(name(2), around));
        assert_eq!(over(&out), [(2, Reason::Cancelled)]);
        assert!(servent.queries.is_empty());
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut servent = Servent::with(Settings {
            running: 4,
            running_per_leaf: 2,
            ..Settings::default()
        });
        servent.start(0, 9, Asker::Own);
        servent.start(1, 8, leaf(1));
        servent.start(2, 7, leaf(1));
        assert_eq!(over(&servent.start(3, 6, leaf(1))), [(8, Reason::MadeRoom)]);
        assert_eq!(over(&servent.start(4, 5, leaf(2))), []);
        assert_eq!(
            over(&servent.start(5, 4, leaf(2))),
            [(7, Reason::MadeRoom)],
            "a leaf's before ours"
        );
        assert_eq!(servent.start(6, 4, leaf(3)), [], "it runs already");
        assert_eq!(servent.queries.len(), 4);
        assert_eq!(servent.outcomes.finished_by(Reason::MadeRoom), 2);
    }
}
