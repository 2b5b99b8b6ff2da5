//! Servents on the nodes of a graph, and descriptors that travel its edges in virtual time.

use std::mem;

use filbert::overlay::{
    Input, Instant, Link, Output, Profile, Recipients, SearchId, dynamic_query,
};
use filbert::topology::Graph;
use filbert::wire::frame::FrameDecoder;
use filbert::wire::query::Query;
use filbert::wire::{Descriptor, HEADER_LEN, Header, Kind};
use rand_pcg::Pcg64Mcg;

use crate::calendar::Calendar;
use crate::contents::Contents;
use crate::latency::Latency;
use crate::outcome::{Flood, Outcome};
use crate::population::Population;

/// A servent on every node of a graph, linked along its edges: a link is a slot of the graph's
/// adjacency.
#[derive(Debug)]
pub struct Network<'a> {
    graph: &'a Graph,
    population: Population<'a>,
    profile: Profile,
    latency: Latency,
    /// The decoder that every descriptor goes through, when the wire is to be crossed.
    wire: Option<FrameDecoder>,
    query: Query,
    calendar: Calendar<Event>,
    now: Instant,
    /// What travels; events point into it.
    travelling: Vec<Descriptor>,
    /// When the last descriptor over each link arrives, by the sender's slot: what is sent later
    /// arrives no sooner. Empty where floods are all there is, which send one copy over a link.
    arrivals: Vec<u64>,
    /// Why a servent closed a link, if one did. Links are to last as long as the network.
    closed: Option<String>,
    /// What came of the present search.
    outcome: Outcome,
    /// Whether more is counted than a flood needs.
    watched: bool,
    /// Descriptors that came to each servent in searches since somebody last asked.
    loads: Vec<u64>,
}

/// How a network behaves.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Rules of flooding.
    pub profile: Profile,
    /// How long descriptors travel.
    pub latency: Latency,
    /// Whether every descriptor goes through the encoder and the frame decoder.
    pub wire: bool,
    /// Whether servents tell each other query routing tables and go by them.
    pub query_routing: bool,
}

/// A search in a network.
#[derive(Clone, Copy, Debug)]
pub struct Search<'q> {
    /// Who searches.
    pub source: u32,
    /// For what.
    pub query: &'q Query,
    /// How far a query goes at most, whoever sends it on.
    pub ttl: u8,
    /// How ultrapeers carry it from neighbour to neighbour; `None`: they flood at once.
    pub dynamic: Option<&'q dynamic_query::Settings>,
    /// Results of which the time is told.
    pub wanted: u32,
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
    /// Sets up a servent on every node and connects them; `rng` draws their identifiers. Where
    /// `contents` are none nobody shares anything. Routing tables are told in a while: see
    /// [`settle`](Self::settle).
    #[must_use]
    pub fn new(
        graph: &'a Graph,
        contents: Option<&'a Contents>,
        behaviour: Behaviour,
        rng: &mut Pcg64Mcg,
    ) -> Self {
        let mut calendar = Calendar::new(behaviour.latency.longest());
        // Elsewhere few copies arrive at one and the same time.
        if behaviour.latency.is_constant() {
            calendar = calendar.by_region(graph.nodes(), |event: &Event| event.to);
        }
        let rules = (behaviour.profile, behaviour.query_routing);
        let all = 0..u32::try_from(graph.nodes()).expect("a graph numbers its nodes so");
        let mut population = Population::new((graph, all), contents, rules, rng);
        let now = Instant::default();
        for node in graph.iter() {
            population.connect(node, now, rng);
        }
        Self {
            graph,
            population,
            profile: behaviour.profile,
            latency: behaviour.latency,
            wire: behaviour.wire.then(FrameDecoder::new),
            query: Query::keywords("filbert").expect("one plain word is a query"),
            calendar,
            now,
            travelling: Vec::new(),
            arrivals: contents.map_or_else(Vec::new, |_| vec![0; 2 * graph.edges()]),
            closed: None,
            outcome: Outcome::default(),
            watched: false,
            loads: contents.map_or_else(Vec::new, |_| vec![0; graph.nodes()]),
        }
    }

    /// Why a servent closed a link, which none should: what this network then does means nothing.
    #[must_use]
    pub fn closed(&self) -> Option<&str> {
        self.closed.as_deref()
    }

    /// Waits until servents have told each other all they have to.
    pub fn settle(&mut self, rng: &mut Pcg64Mcg) {
        self.run(rng);
        self.travelling.clear();
    }

    /// Floods one query from `source` and waits until nothing travels any more. `rng` draws its
    /// GUID and its latencies, so that they depend on nothing else.
    ///
    /// Floods do not touch each other: each begins when the route tables have forgotten all
    /// before it.
    pub fn flood(&mut self, source: u32, ttl: u8, rng: &mut Pcg64Mcg) -> Flood {
        // By today's rules nobody asks for more than they allow.
        let most = if self.profile.raise {
            self.profile.max_ttl
        } else {
            ttl
        };
        self.begin(most, None);
        let query = mem::replace(&mut self.query, Query::for_newest());
        self.ask(source, &query, Some(ttl), rng);
        self.query = query;
        Flood {
            reached: self.population.reached().into_iter().sum(),
            messages: self.outcome.copies.into_iter().sum(),
        }
    }

    /// Makes a search and waits until nothing comes of it any more. Searches do not touch each
    /// other either.
    pub fn search(&mut self, search: &Search<'_>, rng: &mut Pcg64Mcg) -> Outcome {
        let Search { source, query, .. } = *search;
        self.begin(search.ttl, search.dynamic);
        self.outcome.wanted = search.wanted;
        self.watched = true;
        self.ask(source, query, None, rng);
        self.watched = false;
        self.outcome.reached = self.population.reached();
        mem::take(&mut self.outcome)
    }

    /// Descriptors that came to each servent in the searches since this was last asked.
    pub fn take_loads(&mut self) -> Vec<u64> {
        let none = vec![0; self.loads.len()];
        mem::replace(&mut self.loads, none)
    }

    /// Prepares for a search: time passes until the last one is forgotten.
    fn begin(&mut self, max_ttl: u8, dynamic: Option<&dynamic_query::Settings>) {
        let life = self.population.settings().limits.route_life;
        self.now = self.now + life.times(2);
        self.population.behave(max_ttl, dynamic.cloned());
        self.population.reset();
        self.outcome = Outcome {
            begun: self.now,
            ..Outcome::default()
        };
    }

    fn ask(&mut self, source: u32, query: &Query, ttl: Option<u8>, rng: &mut Pcg64Mcg) {
        let id = SearchId(0);
        let search = Input::Search { id, query, ttl };
        self.population.enter(source, self.now, search, rng);
        self.carry_out(source, None, rng);
        self.run(rng);
        self.population
            .enter(source, self.now, Input::Cancel { id }, rng);
        self.population.out.clear();
        self.travelling.clear();
    }

    /// Lets time pass until nothing travels and nobody waits for anything.
    fn run(&mut self, rng: &mut Pcg64Mcg) {
        let mut fetched = 0;
        loop {
            if let Some(alarm) = self.population.next_alarm()
                && self.calendar.next_at().is_none_or(|at| alarm < at)
            {
                self.wake(alarm, rng);
                continue;
            }
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
    }

    /// Wakes the servent whose deadline is next, once what arrives at that very time is there.
    fn wake(&mut self, at: u64, rng: &mut Pcg64Mcg) {
        let Some(node) = self.population.pop_alarm() else {
            return;
        };
        self.now = self.now.max(Instant::from_micros(at));
        self.population.enter(node, self.now, Input::Tick, rng);
        self.carry_out(node, None, rng);
    }

    /// Reads what the next events will need. Gives their number.
    fn fetch(&self) -> usize {
        let events = || self.calendar.upcoming(AHEAD);
        let copies = || events().map(|event| (event.to, event.link, event.copy.ttl));
        self.population.read_ahead(copies);
        events().len()
    }

    fn deliver(&mut self, Event { to, link, copy }: Event, rng: &mut Pcg64Mcg) {
        let original = &self.travelling[copy.descriptor as usize];
        let header = Header {
            ttl: copy.ttl,
            hops: copy.hops,
            ..original.header
        };
        let before =
            (self.watched && header.kind == Kind::Query).then(|| self.population.taken(to));
        if self.watched
            && let Some(load) = self.loads.get_mut(to as usize)
        {
            *load += 1;
        }
        let link = Link(link);
        self.population.receive(
            (to, link),
            self.now,
            (header, original),
            self.wire.as_mut(),
            rng,
        );
        if before.is_some_and(|before| self.population.taken(to) > before) {
            self.outcome.count_reached(copy.hops + 1);
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
                Output::Hit { hit, .. } => self.outcome.count_hit(self.now, &hit),
                Output::Close { why, .. } => {
                    self.closed.get_or_insert(why);
                }
                // The graph says who is whose neighbour and in which place, and nothing is outside.
                Output::Dial { .. }
                | Output::Role(_)
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
        let wanted = |link| to.include(Link(link));
        let (mut copies, mut leaves) = (0, 0);
        let first = self.graph.slots_before(from);
        for (slot, (&to, &link)) in (0..).zip(ends).filter(|&(link, _)| wanted(link)) {
            let mut at = self.now.as_micros() + self.latency.draw(from, to, rng);
            if let Some(last) = self.arrivals.get_mut(first + slot as usize) {
                at = at.max(*last);
                *last = at;
            }
            self.calendar.push(at, Event { to, link, copy });
            copies += 1;
            leaves += u64::from(self.graph.is_leaf(to));
        }
        let Descriptor { header, payload } = &self.travelling[copy.descriptor as usize];
        let bytes = HEADER_LEN + payload.len();
        self.outcome.count_sent(header.kind, bytes, copies, leaves);
    }
}

/// Events whose memory is read ahead.
pub(crate) const AHEAD: usize = 32;
