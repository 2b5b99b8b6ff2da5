//! The servents of a network and their surroundings: settings and counters for each tier, and
//! what each shares.

use std::hint;
use std::ops::Range;

use filbert::overlay::catalogue::{Catalogue, Nothing};
use filbert::overlay::dynamic_query;
use filbert::overlay::stats::Drop;
use filbert::overlay::{
    Input, Instant, Link, Offer, Output, Profile, Role, Servent, Settings, Stats, Surroundings,
};
use filbert::topology::Graph;
use filbert::wire::frame::FrameDecoder;
use filbert::wire::{Descriptor, Guid, Header, Kind};
use rand_pcg::Pcg64Mcg;

use crate::alarms::Alarms;
use crate::contents::Contents;

/// Servents on nodes of a graph, each in the place that the graph has for it.
#[derive(Debug)]
pub(crate) struct Population<'a> {
    graph: &'a Graph,
    /// The first node that has one here.
    first: u32,
    /// Of that node and those behind it.
    servents: Vec<Servent>,
    contents: Option<&'a Contents>,
    /// Of ultrapeers and of leaves.
    tiers: [Tier; 2],
    /// Whether tables are told.
    query_routing: bool,
    alarms: Alarms,
    /// Effects of the last input, before they are carried out.
    pub(crate) out: Vec<Output>,
}

/// What the servents of one tier have in common.
#[derive(Debug)]
struct Tier {
    settings: Settings,
    stats: Stats,
}

impl<'a> Population<'a> {
    /// A servent on each of these nodes, without neighbours; `rng` draws the identifiers of all
    /// nodes. Where there are no contents nobody shares anything.
    pub(crate) fn new(
        (graph, nodes): (&'a Graph, Range<u32>),
        contents: Option<&'a Contents>,
        (profile, query_routing): (Profile, bool),
        rng: &mut Pcg64Mcg,
    ) -> Self {
        let tier = || {
            let mut settings = Settings::new(profile);
            // Without leaves the question whom tables spare does not arise.
            settings.query_routing = query_routing || !graph.has_leaves();
            settings.keepalive = None;
            // Who has which neighbours is the graph's affair.
            settings.limits.neighbours = usize::MAX;
            settings.limits.leaves = usize::MAX;
            settings.limits.ultrapeers = usize::MAX;
            Tier {
                settings,
                stats: Stats::default(),
            }
        };
        let mut servents = Vec::with_capacity(nodes.len());
        for node in graph.iter() {
            let guid = Guid::random(rng);
            if nodes.contains(&node) {
                servents.push(Servent::new(guid, role(graph, node)));
            }
        }
        Self {
            graph,
            first: nodes.start,
            servents,
            contents,
            tiers: [tier(), tier()],
            query_routing,
            alarms: Alarms::default(),
            out: Vec::new(),
        }
    }

    /// Opens all links of a servent: one for each of its slots in the graph.
    pub(crate) fn connect(&mut self, node: u32, now: Instant, rng: &mut Pcg64Mcg) {
        let graph = self.graph;
        for (link, &end) in (0..).zip(graph.neighbours(node)) {
            let link = Link(link);
            let offer = self.offer(end);
            self.enter(node, now, Input::Connected { link, offer }, rng);
        }
    }

    /// What a servent says of itself in a handshake.
    fn offer(&self, node: u32) -> Offer {
        let role = role(self.graph, node);
        let settings = self.settings();
        // Leaves have the last numbers, and neighbours stand by number.
        let ends = self.graph.neighbours(node);
        let degree = ends.partition_point(|&end| !self.graph.is_leaf(end));
        Offer {
            role,
            routing: self.query_routing && role == Role::Ultrapeer,
            ext_probes: true,
            max_ttl: Some(settings.profile.max_ttl),
            degree: u16::try_from(degree).ok(),
            ..Offer::default()
        }
    }

    /// The one way into a servent.
    #[inline]
    pub(crate) fn enter(&mut self, node: u32, now: Instant, input: Input<'_>, rng: &mut Pcg64Mcg) {
        let Tier { settings, stats } = &mut self.tiers[usize::from(self.graph.is_leaf(node))];
        let share;
        let catalogue: &dyn Catalogue = match self.contents {
            None => &Nothing,
            Some(contents) => {
                share = contents.of(node);
                &share
            }
        };
        let mut around = Surroundings {
            settings,
            catalogue,
            rng,
            stats,
            out: &mut self.out,
        };
        let servent = &mut self.servents[(node - self.first) as usize];
        servent.handle(now, input, &mut around);
        // Where nobody shares anything floods are all there is, which nobody waits for; asking
        // after every copy would take as long as the flood.
        if self.contents.is_some()
            && let Some(deadline) = servent.deadline()
        {
            self.alarms
                .set(self.servents.len(), node, deadline.as_micros());
        }
    }

    /// A descriptor comes over a link of a servent, with this header: through a decoder, where the wire
    /// is crossed.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        (node, link): (u32, Link),
        now: Instant,
        (header, original): (Header, &Descriptor),
        wire: Option<&mut FrameDecoder>,
        rng: &mut Pcg64Mcg,
    ) {
        let crossed = wire.map(|decoder| cross(decoder, header, original));
        let (header, payload) = match &crossed {
            Some(arrived) => (arrived.header, &arrived.payload),
            None => (header, &original.payload),
        };
        let input = Input::Received {
            link,
            header,
            payload,
        };
        self.enter(node, now, input, rng);
    }

    /// When the next servent wants to be woken.
    #[inline]
    pub(crate) fn next_alarm(&mut self) -> Option<u64> {
        self.alarms.next_at()
    }

    /// Whose alarm is next.
    pub(crate) fn pop_alarm(&mut self) -> Option<u32> {
        self.alarms.pop()
    }

    /// Reads what the next copies will need (to whom each goes, over which link, with which TTL),
    /// so that the processor waits for the memory of all of them at once instead of copy by copy:
    /// where the servents do not fit its caches, waiting is most of the time.
    #[inline]
    pub(crate) fn read_ahead<I: Iterator<Item = (u32, u32, u8)>>(&self, copies: impl Fn() -> I) {
        // Where to look first, and then there: one step for all, so that each step waits once.
        let places = copies().map(|(to, _, ttl)| {
            let servent = self.servent(to);
            let place = usize::from(servent.role() == Role::Leaf) ^ servent.neighbours().len();
            // Most copies are on their last hop: nobody sends them on.
            if ttl > 1 {
                place ^ self.graph.slots_before(to)
            } else {
                place
            }
        });
        hint::black_box(places.fold(0, |all, one| all ^ one));
        for (to, link, ttl) in copies() {
            hint::black_box(self.servent(to).read_ahead(Link(link)));
            if ttl > 1 {
                let (ends, mirrors) = (self.graph.neighbours(to), self.graph.mirrors(to));
                hint::black_box((ends.first().copied(), mirrors.first().copied()));
            }
        }
    }

    #[inline]
    fn servent(&self, node: u32) -> &Servent {
        &self.servents[(node - self.first) as usize]
    }

    /// The settings of the upper tier.
    pub(crate) const fn settings(&self) -> &Settings {
        &self.tiers[0].settings
    }

    /// From now on queries go so far at most, and a search of an ultrapeer or for its leaf is
    /// spent so.
    pub(crate) fn behave(&mut self, max_ttl: u8, dynamic: Option<dynamic_query::Settings>) {
        for tier in &mut self.tiers {
            tier.settings.profile.max_ttl = max_ttl;
        }
        self.tiers[0].settings.dynamic = dynamic;
    }

    /// Begins to count anew.
    pub(crate) fn reset(&mut self) {
        for tier in &mut self.tiers {
            tier.stats = Stats::default();
        }
    }

    /// How many servents of the upper tier, and of the lower, took a query since the last reset.
    pub(crate) fn reached(&self) -> [u64; 2] {
        [&self.tiers[0].stats, &self.tiers[1].stats].map(taken)
    }

    /// Queries that came to the tier of a servent and were no duplicates.
    #[inline]
    pub(crate) fn taken(&self, node: u32) -> u64 {
        taken(&self.tiers[usize::from(self.graph.is_leaf(node))].stats)
    }
}

/// The place of the servent on a node.
const fn role(graph: &Graph, node: u32) -> Role {
    if graph.is_leaf(node) {
        Role::Leaf
    } else {
        Role::Ultrapeer
    }
}

/// Takes a descriptor through the encoder and the frame decoder, with this header.
fn cross(decoder: &mut FrameDecoder, header: Header, original: &Descriptor) -> Descriptor {
    let sent = Descriptor {
        header,
        payload: original.payload.clone(),
    };
    let bytes = sent.encode().expect("a servent sends what can be encoded");
    decoder.buffer().extend_from_slice(&bytes);
    let arrived = decoder
        .next()
        .expect("a servent sends what neighbours take");
    arrived.expect("all its bytes are there")
}

/// Queries that came and were not known.
pub(crate) fn taken(stats: &Stats) -> u64 {
    let known = stats.dropped(Drop::Duplicate) + stats.dropped(Drop::OwnQuery);
    stats.received_of(Kind::Query) - known
}
