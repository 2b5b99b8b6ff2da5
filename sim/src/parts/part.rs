//! One part of a network: its servents, and the copies on their way to them.

use std::mem;
use std::sync::PoisonError;

use filbert::overlay::{Input, Instant, Link, Output, Profile, Recipients, SearchId};
use filbert::topology::Graph;
use filbert::wire::frame::FrameDecoder;
use filbert::wire::query::Query;
use filbert::wire::{Descriptor, Header};
use rand_pcg::Pcg64Mcg;

use super::Order;
use super::cut::Cut;
use super::hall::{Hall, Note};
use super::sent::{Copied, Outgoing, Sender, Sent, in_order};
use crate::calendar::{Calendar, MANY};
use crate::latency::Latency;
use crate::network::{AHEAD, Behaviour, cross};
use crate::outcome::Flood;
use crate::population::Population;

/// The servents of a range of nodes.
#[derive(Debug)]
pub(super) struct Part<'a> {
    number: usize,
    graph: &'a Graph,
    cut: Cut,
    population: Population<'a>,
    profile: Profile,
    latency: Latency,
    /// The decoder that every descriptor goes through, when the wire is to be crossed.
    wire: Option<FrameDecoder>,
    query: Query,
    calendar: Calendar<Event>,
    now: Instant,
    /// What travels, by the part that was the first to send it. Payloads are this part's own: no
    /// core waits for another that counts who shares them.
    travelling: Vec<Vec<Descriptor>>,
    draws: Draws,
    /// Copies that all parts have sent in this flood.
    sent: u64,
    /// Copies that this one has.
    messages: u64,
}

/// One copy of a descriptor on its way to a servent of this part.
#[derive(Clone, Copy, Debug)]
struct Event {
    to: u32,
    /// The receiver's link.
    link: u32,
    copy: Copied,
    /// Its number among all copies of the flood, in the order in which they were sent.
    number: u64,
}

/// The latencies of all copies of a flood, of which this part draws some.
#[derive(Debug)]
struct Draws {
    /// Stands at the next copy.
    rng: Pcg64Mcg,
    next: u64,
}

impl<'a> Part<'a> {
    /// Sets up the servents of this part; `rng` draws the identifiers of all.
    pub(super) fn new(
        number: usize,
        graph: &'a Graph,
        cut: Cut,
        behaviour: &Behaviour,
        mut rng: Pcg64Mcg,
    ) -> Self {
        let latency = behaviour.latency.clone();
        let mut calendar = Calendar::new(latency.longest());
        if latency.is_constant() {
            calendar = calendar.by_region(graph.nodes(), |event: &Event| event.to);
        }
        let rules = (behaviour.profile, behaviour.query_routing);
        let nodes = cut.nodes(number);
        let mut population = Population::new((graph, nodes.clone()), None, rules, &mut rng);
        let now = Instant::default();
        for node in nodes {
            population.connect(node, now, &mut rng);
        }
        Self {
            number,
            graph,
            population,
            profile: behaviour.profile,
            latency,
            wire: behaviour.wire.then(FrameDecoder::new),
            query: Query::keywords("filbert").expect("one plain word is a query"),
            calendar,
            now,
            travelling: vec![Vec::new(); cut.parts()],
            draws: Draws { rng, next: 0 },
            sent: 0,
            messages: 0,
            cut,
        }
    }

    /// Floods together with the others, who do the same, and tells what this part had of it.
    pub(super) fn flood(&mut self, hall: &Hall, order: &Order) -> Flood {
        let &Order { source, ttl, .. } = order;
        self.begin(ttl);
        let searches = self.cut.owner(source) == self.number;
        self.send_into(hall, |part, sent| {
            if searches {
                part.ask(order, sent);
            }
        });
        let mut by_region = false;
        let last = loop {
            hall.meet();
            let came = self.collect(hall, by_region);
            hall.tell(self.number, came);
            hall.meet();
            let Note { now, next, came } = hall.told();
            let Some(next) = next else {
                break now;
            };
            by_region = came >= MANY && self.latency.is_constant();
            self.calendar.count_as_many(by_region);
            let end = next + self.latency.shortest();
            self.send_into(hall, |part, sent| part.pass(end, sent));
        };
        self.now = Instant::from_micros(last);
        if searches {
            let cancel = Input::Cancel { id: SearchId(0) };
            let rng = &mut self.draws.rng;
            self.population.enter(source, self.now, cancel, rng);
            self.population.out.clear();
        }
        for descriptors in &mut self.travelling {
            descriptors.clear();
        }
        Flood {
            reached: self.population.reached().into_iter().sum(),
            messages: self.messages,
        }
    }

    /// Prepares as [`Network`](crate::network::Network) does: time passes until the last flood is
    /// forgotten.
    fn begin(&mut self, ttl: u8) {
        let life = self.population.settings().limits.route_life;
        self.now = self.now + life.times(2);
        let most = if self.profile.raise {
            self.profile.max_ttl
        } else {
            ttl
        };
        self.population.behave(most, None);
        self.population.reset();
        (self.sent, self.messages) = (0, 0);
    }

    /// Does something that may send.
    fn send_into(&mut self, hall: &Hall, work: impl FnOnce(&mut Self, &mut Sent)) {
        let mut sent = hall.sent[self.number]
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        sent.clear();
        work(self, &mut sent);
        self.messages += u64::from(sent.count);
    }

    /// Begins the search.
    fn ask(&mut self, order: &Order, sent: &mut Sent) {
        let mut rng = order.rng.clone();
        let query = mem::replace(&mut self.query, Query::for_newest());
        let search = Input::Search {
            id: SearchId(0),
            query: &query,
            ttl: Some(order.ttl),
        };
        self.population
            .enter(order.source, self.now, search, &mut rng);
        self.query = query;
        self.carry_out(order.source, 0, None, sent);
        sent.draws = Some(rng);
    }

    /// Lets time pass to just before `end`.
    fn pass(&mut self, end: u64, sent: &mut Sent) {
        let mut fetched = 0;
        while self.calendar.next_at().is_some_and(|at| at < end) {
            if fetched == 0 {
                fetched = self.fetch();
            }
            let Some((at, event)) = self.calendar.pop() else {
                return;
            };
            fetched = fetched.saturating_sub(1);
            self.now = Instant::from_micros(at);
            self.deliver(&event, sent);
        }
    }

    /// Reads what the next events will need. Gives their number.
    fn fetch(&self) -> usize {
        let events = || self.calendar.upcoming(AHEAD);
        let copies = || events().map(|event| (event.to, event.link, event.copy.ttl));
        self.population.read_ahead(copies);
        events().len()
    }

    fn deliver(&mut self, event: &Event, sent: &mut Sent) {
        let &Event { to, link, copy, .. } = event;
        let original = &self.travelling[usize::from(copy.origin)][copy.descriptor as usize];
        let header = Header {
            ttl: copy.ttl,
            hops: copy.hops,
            ..original.header
        };
        let crossed = self
            .wire
            .as_mut()
            .map(|decoder| cross(decoder, header, original));
        let (header, payload) = match &crossed {
            Some(arrived) => (arrived.header, &arrived.payload),
            None => (header, &original.payload),
        };
        let link = Link(link);
        let input = Input::Received {
            link,
            header,
            payload,
        };
        self.population
            .enter(to, self.now, input, &mut self.draws.rng);
        self.carry_out(to, event.number, Some(copy), sent);
    }

    /// Does what the servent on `node` wants done, having received this copy, of this number, or
    /// none.
    fn carry_out(&mut self, node: u32, number: u64, received: Option<Copied>, sent: &mut Sent) {
        if self.population.out.is_empty() {
            return;
        }
        let before = sent.count;
        let mut out = mem::take(&mut self.population.out);
        for output in out.drain(..) {
            match output {
                Output::Forward { to, ttl, hops } => {
                    let received = received.expect("only what was received is forwarded");
                    let copy = Copied {
                        ttl,
                        hops,
                        ..received
                    };
                    self.send(node, &to, copy, sent);
                }
                Output::Send { to, descriptor } => {
                    let Header { ttl, hops, .. } = descriptor.header;
                    let before = self.travelling[self.number].len() + sent.fresh.len();
                    let copy = Copied {
                        descriptor: u32::try_from(before).expect("few at once"),
                        origin: u16::try_from(self.number).expect("a part has such a number"),
                        ttl,
                        hops,
                    };
                    sent.fresh.push(descriptor);
                    self.send(node, &to, copy, sent);
                }
                // Nobody answers, and what a flood costs does not depend on what else they want.
                Output::Hit { .. }
                | Output::Close { .. }
                | Output::Dial { .. }
                | Output::Role(_)
                | Output::Datagram { .. }
                | Output::ConnectBack { .. }
                | Output::GiveBack { .. } => {}
            }
        }
        self.population.out = out;
        let copies = sent.count - before;
        if copies > 0 {
            sent.senders.push(Sender {
                at: self.now.as_micros(),
                number,
                from: node,
                copies,
            });
        }
    }

    fn send(&self, from: u32, recipients: &Recipients, copy: Copied, sent: &mut Sent) {
        let ends = self
            .graph
            .neighbours(from)
            .iter()
            .zip(self.graph.mirrors(from));
        let wanted = |slot| match recipients {
            Recipients::All => true,
            Recipients::AllBut(Link(but)) => slot != *but,
            Recipients::One(Link(one)) => slot == *one,
            Recipients::Some(links) => links.contains(&Link(slot)),
        };
        for (_, (&to, &link)) in (0..).zip(ends).filter(|&(slot, _)| wanted(slot)) {
            let place = sent.count;
            sent.count += 1;
            sent.copies[self.cut.owner(to)].push(Outgoing {
                to,
                link,
                place,
                copy,
            });
        }
    }

    /// Takes what all parts sent to this one, each copy with its number and its latency. All
    /// parts do so at the same time.
    fn collect(&mut self, hall: &Hall, by_region: bool) -> Note {
        let sent = hall.sent.iter();
        let sent: Vec<_> = sent
            .map(|sent| sent.read().unwrap_or_else(PoisonError::into_inner))
            .collect();
        for (known, sent) in self.travelling.iter_mut().zip(&sent) {
            known.extend(sent.fresh.iter().map(own));
        }
        if let Some(rng) = sent.iter().find_map(|sent| sent.draws.as_ref()) {
            self.draws = Draws {
                rng: rng.clone(),
                next: 0,
            };
        }
        let mut came = 0;
        let mut first: Option<u64> = None;
        let mut mine: Vec<_> = sent
            .iter()
            .map(|sent| sent.copies[self.number].iter().peekable())
            .collect();
        let mut take = |part: usize, sender: &Sender, place: u32| {
            let end = place + sender.copies;
            while let Some(outgoing) = mine[part].next_if(|outgoing| outgoing.place < end) {
                let number = self.sent + u64::from(outgoing.place - place);
                let at = sender.at
                    + self
                        .draws
                        .latency(&self.latency, number, sender, outgoing.to);
                first = Some(first.map_or(at, |first| first.min(at)));
                let &Outgoing { to, link, copy, .. } = outgoing;
                let event = Event {
                    to,
                    link,
                    copy,
                    number,
                };
                self.calendar.push(at, event);
                came += 1;
            }
            self.sent += u64::from(sender.copies);
        };
        if by_region {
            // Parts are ranges of regions.
            for (part, sent) in sent.iter().enumerate() {
                let mut place = 0;
                for sender in &sent.senders {
                    take(part, sender, place);
                    place += sender.copies;
                }
            }
        } else {
            let lists: Vec<&[Sender]> = sent.iter().map(|sent| &sent.senders[..]).collect();
            in_order(&lists, take);
        }
        // Where all latencies are the same, nothing else waits; and how the next bucket comes out
        // is not yet known.
        let next = if self.latency.is_constant() {
            first
        } else {
            self.calendar.next_at()
        };
        Note {
            now: self.now.as_micros(),
            next,
            came,
        }
    }
}

impl Draws {
    /// The latency of the copy of this number, which is larger than that of the last.
    #[inline]
    fn latency(&mut self, model: &Latency, number: u64, sender: &Sender, to: u32) -> u64 {
        let numbers = model.numbers();
        if numbers > 0 {
            self.rng.advance(u128::from((number - self.next) * numbers));
            self.next = number + 1;
        }
        model.draw(sender.from, to, &mut self.rng)
    }
}

/// The same with a payload of one's own.
fn own(descriptor: &Descriptor) -> Descriptor {
    Descriptor {
        header: descriptor.header,
        payload: descriptor.payload.to_vec().into(),
    }
}
