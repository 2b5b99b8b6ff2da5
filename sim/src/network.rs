//! Servents on the nodes of a graph, and descriptors that travel its edges in virtual time.

use std::{hint, mem};

use filbert::overlay::catalogue::Nothing;
use filbert::overlay::{
    Input, Instant, Link, Offer, Output, Profile, Recipients, SearchId, Servent, Settings, Stats,
    Surroundings,
};
use filbert::topology::Graph;
use filbert::wire::frame::FrameDecoder;
use filbert::wire::query::Query;
use filbert::wire::{Descriptor, Guid, Header, Kind};
use rand_pcg::Pcg64Mcg;

use crate::calendar::Calendar;
use crate::latency::Latency;

/// A servent on every node of a graph, linked along its edges: a link is a slot of the graph's
/// adjacency.
#[derive(Debug)]
pub struct Network<'a> {
    graph: &'a Graph,
    population: Population,
    latency: Latency,
    /// The decoder that every descriptor goes through, when the wire is to be crossed.
    wire: Option<FrameDecoder>,
    query: Query,
    calendar: Calendar<Event>,
    now: Instant,
    /// What travels; events point into it.
    travelling: Vec<Descriptor>,
    /// Copies of queries sent in this flood.
    sent: u64,
}

/// How a network behaves.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// Rules of flooding.
    pub profile: Profile,
    /// How long descriptors travel.
    pub latency: Latency,
    /// Whether every descriptor goes through the encoder and the frame decoder.
    pub wire: bool,
}

/// What one flood did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flood {
    /// Servents that got the query, without the source.
    pub reached: u64,
    /// Copies of the query that were sent.
    pub messages: u64,
}

/// The servents and what they share: settings and counters. They share no files, so that nobody
/// answers.
#[derive(Debug)]
struct Population {
    servents: Vec<Servent>,
    settings: Settings,
    stats: Stats,
    /// Their effects, before they are carried out.
    out: Vec<Output>,
}

/// One copy of a descriptor on its way over one link.
#[derive(Clone, Copy, Debug)]
struct Event {
    to: u32,
    /// The receiver's link.
    link: u32,
    copy: Copied,
}

/// What travels, and the two bytes in which a copy differs from the others.
#[derive(Clone, Copy, Debug)]
struct Copied {
    descriptor: u32,
    ttl: u8,
    hops: u8,
}

impl<'a> Network<'a> {
    /// Sets up a servent on every node and connects them; `rng` draws their identifiers.
    #[must_use]
    pub fn new(graph: &'a Graph, behaviour: Behaviour, rng: &mut Pcg64Mcg) -> Self {
        let mut settings = Settings::new(behaviour.profile);
        settings.keepalive = None;
        settings.limits.neighbours = usize::MAX;
        let mut population = Population {
            servents: Vec::with_capacity(graph.nodes()),
            settings,
            stats: Stats::default(),
            out: Vec::new(),
        };
        let now = Instant::default();
        for node in graph.iter() {
            population.servents.push(Servent::new(Guid::random(rng)));
            for (link, _) in (0..).zip(graph.neighbours(node)) {
                let input = Input::Connected {
                    link: Link(link),
                    offer: Offer::default(),
                };
                population.enter(node, now, input, rng);
            }
        }
        Self {
            graph,
            population,
            latency: behaviour.latency,
            wire: behaviour.wire.then(FrameDecoder::new),
            query: Query::keywords("filbert").expect("one plain word is a query"),
            calendar: Calendar::new(behaviour.latency.longest()),
            now,
            travelling: Vec::new(),
            sent: 0,
        }
    }

    /// Floods one query from `source` and waits until nothing travels any more. `rng` draws its
    /// GUID and its latencies, so that they depend on nothing else.
    ///
    /// Floods do not touch each other: each begins when the route tables have forgotten all
    /// before it.
    pub fn flood(&mut self, source: u32, ttl: u8, rng: &mut Pcg64Mcg) -> Flood {
        self.now = self.now + self.population.settings.limits.route_life.times(2);
        self.population.stats = Stats::default();
        self.sent = 0;
        let id = SearchId(0);
        let search = Input::Search {
            id,
            query: &self.query,
            ttl: Some(ttl),
        };
        self.population.enter(source, self.now, search, rng);
        self.carry_out(source, None, rng);
        let mut fetched = 0;
        loop {
            if fetched == 0 {
                fetched = self.fetch();
            }
            let Some((at, event)) = self.calendar.pop() else {
                break;
            };
            fetched = fetched.saturating_sub(1);
            self.now = Instant::from_micros(at);
            self.deliver(event, rng);
        }
        self.population
            .enter(source, self.now, Input::Cancel { id }, rng);
        self.travelling.clear();
        let stats = &self.population.stats;
        let dropped: u64 = stats.drops().map(|(_, count)| count).sum();
        Flood {
            reached: stats.received_of(Kind::Query) - dropped,
            messages: self.sent,
        }
    }

    /// Reads what the next events will need, so that the processor waits for the memory of all of
    /// them at once instead of event by event: where the servents do not fit its caches, waiting
    /// is most of the time. Gives the number of those events.
    fn fetch(&self) -> usize {
        let events = self.calendar.upcoming(AHEAD);
        let count = events.len();
        for &Event { to, link, .. } in events {
            let servent = self.population.servents[to as usize].read_ahead(Link(link));
            let (ends, mirrors) = (self.graph.neighbours(to), self.graph.mirrors(to));
            hint::black_box((servent, ends.first().copied(), mirrors.first().copied()));
        }
        count
    }

    fn deliver(&mut self, Event { to, link, copy }: Event, rng: &mut Pcg64Mcg) {
        let original = &self.travelling[copy.descriptor as usize];
        let header = Header {
            ttl: copy.ttl,
            hops: copy.hops,
            ..original.header
        };
        let link = Link(link);
        if let Some(decoder) = &mut self.wire {
            let arrived = cross(decoder, header, original);
            let input = Input::Received {
                link,
                header: arrived.header,
                payload: &arrived.payload,
            };
            self.population.enter(to, self.now, input, rng);
        } else {
            let input = Input::Received {
                link,
                header,
                payload: &original.payload,
            };
            self.population.enter(to, self.now, input, rng);
        }
        self.carry_out(to, Some(copy.descriptor), rng);
    }

    /// Does what the servent on `node` wants done, having received this descriptor or none.
    fn carry_out(&mut self, node: u32, received: Option<u32>, rng: &mut Pcg64Mcg) {
        let mut out = mem::take(&mut self.population.out);
        for output in out.drain(..) {
            match output {
                Output::Forward { to, ttl, hops } => {
                    let descriptor = received.expect("only what was received is forwarded");
                    self.send(
                        node,
                        to,
                        Copied {
                            descriptor,
                            ttl,
                            hops,
                        },
                        rng,
                    );
                }
                Output::Send { to, descriptor } => {
                    let Header { ttl, hops, .. } = descriptor.header;
                    let place = u32::try_from(self.travelling.len()).expect("few at once");
                    self.travelling.push(descriptor);
                    self.send(
                        node,
                        to,
                        Copied {
                            descriptor: place,
                            ttl,
                            hops,
                        },
                        rng,
                    );
                }
                // Links last as long as the network, nobody answers, and nothing is outside.
                Output::Close { .. }
                | Output::Hit { .. }
                | Output::Datagram { .. }
                | Output::ConnectBack { .. }
                | Output::GiveBack { .. } => {}
            }
        }
        self.population.out = out;
    }

    fn send(&mut self, from: u32, to: Recipients, copy: Copied, rng: &mut Pcg64Mcg) {
        let ends = self
            .graph
            .neighbours(from)
            .iter()
            .zip(self.graph.mirrors(from));
        let wanted = |link| match &to {
            Recipients::All => true,
            Recipients::AllBut(Link(but)) => link != *but,
            Recipients::One(Link(one)) => link == *one,
            Recipients::Some(links) => links.contains(&Link(link)),
        };
        let mut copies = 0;
        for (_, (&to, &link)) in (0..).zip(ends).filter(|&(link, _)| wanted(link)) {
            let at = self.now.as_micros() + self.latency.draw(rng);
            self.calendar.push(at, Event { to, link, copy });
            copies += 1;
        }
        if self.travelling[copy.descriptor as usize].header.kind == Kind::Query {
            self.sent += copies;
        }
    }
}

impl Population {
    /// The one way into a servent.
    fn enter(&mut self, node: u32, now: Instant, input: Input<'_>, rng: &mut Pcg64Mcg) {
        let mut around = Surroundings {
            settings: &self.settings,
            catalogue: &Nothing,
            rng,
            stats: &mut self.stats,
            out: &mut self.out,
        };
        self.servents[node as usize].handle(now, input, &mut around);
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

/// Events whose memory is read ahead.
const AHEAD: usize = 16;
