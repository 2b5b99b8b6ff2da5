//! What is counted and seen of a living network, and what came of it.

use filbert::overlay::{Role, Servent};
use filbert::topology::{Graph, largest_component};
use filbert::wire::Kind;
use serde::Serialize;

use super::churn::micros;
use super::searches::Search;
use super::spec::{Phase, Spec};
use super::world::{Appointment, World};

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All that happened to anybody.
    pub events: u64,
    /// Sessions that began.
    pub sessions: u64,
    /// Attempts to reach somebody.
    pub dials: u64,
    /// Those that led to a link.
    pub met: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Those that the dialler broke off.
    pub declined: u64,
    /// Those that nobody answered.
    pub failed: u64,
    /// Leaves that became ultrapeers.
    pub promotions: u64,
    /// Ultrapeers that became leaves.
    pub demotions: u64,
    /// Descriptors sent of each [sort](SORTS).
    pub sent: [u64; SORTS.len()],
    /// Bytes sent, headers included.
    pub bytes: u64,
}

/// What descriptors are told apart as.
pub const SORTS: [&str; 7] = ["ping", "pong", "query", "hit", "table", "vendor", "other"];

/// The network at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// When, in microseconds.
    pub at: u64,
    /// Servents that are there.
    pub present: u32,
    /// Those of the largest component.
    pub largest: u32,
    /// Those that have an ultrapeer for a neighbour.
    pub linked: u32,
    /// Ultrapeers.
    pub ultrapeers: u32,
    /// Neighbours of ultrapeers that are ultrapeers.
    pub top_ends: u64,
    /// Neighbours of leaves.
    pub leaf_ends: u64,
    /// Entries of all tables of all servents.
    pub held: u64,
    /// What happened until then.
    pub count: Count,
}

/// What came of a stretch of time: a row of its table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// The variant.
    pub variant: String,
    /// The replica, counted from 0.
    pub replica: u32,
    /// The phase.
    pub phase: String,
    /// How many servents were there in the mean, as are those that follow.
    pub present: f64,
    /// The share of them in the largest component.
    pub connected: f64,
    /// The least that it was.
    pub least_connected: f64,
    /// The share of them with an ultrapeer for a neighbour.
    pub linked: f64,
    /// The share of them that were ultrapeers.
    pub ultrapeers: f64,
    /// Ultrapeers that were neighbours of one; empty where there was none.
    pub top_degree: Option<f64>,
    /// Ultrapeers of a leaf; empty where there was none.
    pub parents: Option<f64>,
    /// Searches that ran to their end.
    pub searches: u64,
    /// The share of those that somebody could answer that were answered; empty where there was none.
    pub success: Option<f64>,
    /// The share of the holders that answered.
    pub recall: Option<f64>,
    /// The share of the servents that got a query.
    pub reach: Option<f64>,
    /// Milliseconds to the first answer.
    pub first_ms: Option<f64>,
    /// Descriptors that a servent sent in a second.
    pub messages: f64,
    /// Bytes that it sent in a second.
    pub bytes: f64,
    /// Attempts to reach somebody, for each session that began.
    pub dials: f64,
    /// The share of attempts that led to a link; empty where there was none.
    pub met_share: Option<f64>,
    /// The share of attempts that were refused.
    pub refused_share: Option<f64>,
    /// The share of attempts that nobody answered.
    pub failed_share: Option<f64>,
    /// Entries in all tables of a servent, in the mean.
    pub held: f64,
    /// Changes of role, for each session that began.
    pub turns: f64,
    /// All that happened to anybody.
    pub events: u64,
}

impl Count {
    pub(super) fn send(&mut self, kind: Kind, bytes: usize) {
        let sort = match kind {
            Kind::Ping => 0,
            Kind::Pong => 1,
            Kind::Query => 2,
            Kind::QueryHit => 3,
            Kind::RouteTableUpdate => 4,
            Kind::Vendor { .. } => 5,
            _ => 6,
        };
        self.sent[sort] += 1;
        self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    pub(super) const fn turn(&mut self, role: Role) {
        match role {
            Role::Ultrapeer => self.promotions += 1,
            Role::Leaf => self.demotions += 1,
        }
    }

    /// All descriptors that were sent.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.sent.iter().sum()
    }
}

impl World {
    /// Looks at the network, now and again later.
    pub(super) fn look(&mut self) {
        let look = self.seen();
        self.looks.push(look);
        let next = self.now.as_micros() + micros(self.spec.look);
        self.appoint(next, Appointment::Look);
    }

    /// The network as it is.
    #[must_use]
    pub fn seen(&self) -> Look {
        let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
        let mut look = Look {
            at: self.now.as_micros(),
            present: count(self.present.len()),
            largest: self.largest(),
            linked: 0,
            ultrapeers: 0,
            top_ends: 0,
            leaf_ends: 0,
            held: 0,
            count: self.count,
        };
        for &node in &self.present {
            let Some(member) = self.members[node as usize].as_deref() else {
                continue;
            };
            let neighbours = member.servent.neighbours().iter();
            let top = neighbours.filter(|known| known.offer.role == Role::Ultrapeer);
            let top = top.count() as u64;
            look.held += held(&member.servent);
            look.linked += u32::from(top > 0);
            match member.servent.role() {
                Role::Ultrapeer => {
                    look.ultrapeers += 1;
                    look.top_ends += top;
                }
                Role::Leaf => look.leaf_ends += top,
            }
        }
        look
    }

    /// How many servents the largest component has.
    fn largest(&self) -> u32 {
        // Who has no link stands alone.
        let alone = self.present.iter().map(|&node| (node, node));
        let links = self.connections.iter().filter(|known| known.stands());
        let links = links.map(|known| (known.ends[0].node, known.ends[1].node));
        let links = links.filter(|&(one, other)| !self.is_split(one, other));
        let pairs = alone.chain(links);
        let pairs: Vec<(u64, u64)> = pairs.map(|(a, b)| (a.into(), b.into())).collect();
        let graph = Graph::from_edges(&pairs).expect("no more servents than a graph has nodes");
        u32::try_from(largest_component(&graph).len()).unwrap_or(u32::MAX)
    }
}

/// Entries of all tables of a servent that tell of others: all that its gauges count but what it tells
/// of itself, and how full tables are.
fn held(servent: &Servent) -> u64 {
    let gauges = servent.gauges();
    let of_others = gauges.iter().filter(|gauge| {
        let own = gauge.labels.iter().any(|(_, of)| of == "own");
        gauge.name != "routing_fill" && !own
    });
    of_others.map(|gauge| gauge.value).sum()
}

impl Outcome {
    /// What came of each phase of a network that is over.
    pub(super) fn of(spec: &Spec, world: &World) -> Vec<Self> {
        let phases = spec.stretches();
        phases
            .iter()
            .map(|phase| Self::of_phase(phase, world))
            .collect()
    }

    /// What came of one phase.
    pub(super) fn of_phase(phase: &Phase, world: &World) -> Self {
        let (from, until) = (micros(phase.from), micros(phase.until));
        let within = |at: u64| at > from && at <= until;
        let looks: Vec<&Look> = world.looks.iter().filter(|look| within(look.at)).collect();
        let before = world.looks.iter().rfind(|look| look.at <= from);
        let before = before.map(|look| (look.at, look.count)).unwrap_or_default();
        let Some(last) = looks.last() else {
            return Self {
                phase: phase.name.clone(),
                ..Self::default()
            };
        };
        let mean = |of: &dyn Fn(&Look) -> f64| {
            looks.iter().map(|look| of(look)).sum::<f64>() / looks.len() as f64
        };
        let share = |part: u32, look: &Look| f64::from(part) / f64::from(look.present.max(1));
        let sum = |of: &dyn Fn(&Look) -> u64| looks.iter().map(|look| of(look)).sum::<u64>();
        let (top, leaves) = (
            sum(&|look| look.ultrapeers.into()),
            sum(&|look| (look.present - look.ultrapeers).into()),
        );
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let searches: Vec<&Search> = world
            .searches
            .over
            .iter()
            .filter(|search| within(search.begun))
            .collect();
        let found = Found::of(&searches);
        let since = before.1;
        let present = mean(&|look| look.present.into());
        // A servent's second.
        let seconds = (last.at - before.0) as f64 / 1e6 * present.max(1.0);
        let dials = last.count.dials - since.dials;
        let sessions = (last.count.sessions - since.sessions).max(1) as f64;
        let turns = |count: &Count| count.promotions + count.demotions;
        Self {
            phase: phase.name.clone(),
            present,
            connected: mean(&|look| share(look.largest, look)),
            least_connected: looks
                .iter()
                .map(|look| share(look.largest, look))
                .fold(1.0, f64::min),
            linked: mean(&|look| share(look.linked, look)),
            ultrapeers: mean(&|look| share(look.ultrapeers, look)),
            top_degree: ratio(sum(&|look| look.top_ends), top),
            parents: ratio(sum(&|look| look.leaf_ends), leaves),
            searches: searches.len() as u64,
            success: found.success,
            recall: found.recall,
            reach: found.reach,
            first_ms: found.first_ms,
            messages: (last.count.messages() - since.messages()) as f64 / seconds,
            bytes: (last.count.bytes - since.bytes) as f64 / seconds,
            dials: dials as f64 / sessions,
            met_share: ratio(last.count.met - since.met, dials),
            refused_share: ratio(last.count.refused - since.refused, dials),
            failed_share: ratio(last.count.failed - since.failed, dials),
            held: mean(&|look| look.held as f64 / f64::from(look.present.max(1))),
            turns: (turns(&last.count) - turns(&since)) as f64 / sessions,
            events: last.count.events - since.events,
            ..Self::default()
        }
    }
}

/// What searches found.
struct Found {
    success: Option<f64>,
    recall: Option<f64>,
    reach: Option<f64>,
    first_ms: Option<f64>,
}

impl Found {
    fn of(searches: &[&Search]) -> Self {
        let mean = |values: Vec<f64>| {
            let count = values.len() as f64;
            (count > 0.0).then(|| values.iter().sum::<f64>() / count)
        };
        let possible = || searches.iter().filter(|search| search.holders > 0);
        let answered = |search: &&&Search| f64::from(!search.answered.is_empty());
        let recall = |search: &&&Search| {
            let answered = search.answered.len() as f64 / f64::from(search.holders);
            // Who came later may answer too.
            answered.min(1.0)
        };
        let reach = |search: &&Search| f64::from(search.reached) / f64::from(search.present);
        let first = |search: &&Search| Some((search.first? - search.begun) as f64 / 1e3);
        Self {
            success: mean(possible().map(|search| answered(&search)).collect()),
            recall: mean(possible().map(|search| recall(&search)).collect()),
            reach: mean(searches.iter().map(reach).collect()),
            first_ms: mean(searches.iter().filter_map(first).collect()),
        }
    }
}
