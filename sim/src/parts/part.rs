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
use super::arrivals::{Arrivals, Event};
use super::cut::Cut;
use super::hall::{Hall, Note};
use super::sent::{Copied, Outgoing, Sender, Sent};
use crate::network::{AHEAD, Behaviour};
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
    /// The shortest latency, in microseconds.
    window: u64,
    /// The decoder that every descriptor goes through, when the wire is to be crossed.
    wire: Option<FrameDecoder>,
    query: Query,
    arrivals: Arrivals,
    now: Instant,
    /// What travels, by the part that was the first to send it. Payloads are this part's own: no
    /// core waits for another that counts who shares them.
    travelling: Vec<Vec<Descriptor>>,
    /// Copies that this part has sent in this flood.
    messages: u64,
    /// For servents that a flood gives nothing to choose.
    rng: Pcg64Mcg,
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
            window: behaviour.latency.shortest(),
            wire: behaviour.wire.then(FrameDecoder::new),
            query: Query::keywords("filbert").expect("one plain word is a query"),
            arrivals: Arrivals::new(number, &behaviour.latency, graph.nodes(), rng.clone()),
            now,
            travelling: vec![Vec::new(); cut.parts()],
            messages: 0,
            rng,
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
        let mut by_region = None;
        let last = loop {
            hall.meet();
            let all = self.collect(hall, by_region);
            hall.meet();
            let Note { now, next } = hall.told();
            let Some(next) = next else {
                break now;
            };
            by_region = all.then_some(next);
            let end = next + self.window;
            self.send_into(hall, |part, sent| {
                sent.by_region = all;
                part.pass(end, sent);
            });
        };
        self.now = Instant::from_micros(last);
        if searches {
            let cancel = Input::Cancel { id: SearchId(0) };
            self.population
                .enter(source, self.now, cancel, &mut self.rng);
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
        self.messages = 0;
    }

    /// Takes what was sent to this part, and tells when it waits for what. Gives whether the next
    /// window goes region by region.
    fn collect(&mut self, hall: &Hall, by_region: Option<u64>) -> bool {
        let sent = hall.sent.iter();
        let sent: Vec<_> = sent
            .map(|sent| sent.read().unwrap_or_else(PoisonError::into_inner))
            .collect();
        for (known, sent) in self.travelling.iter_mut().zip(&sent) {
            known.extend(sent.fresh.iter().map(own));
        }
        let sent: Vec<&Sent> = sent.iter().map(|sent| &**sent).collect();
        let next = self.arrivals.collect(&sent, by_region);
        let now = self.now.as_micros();
        hall.tell(self.number, Note { now, next });
        self.arrivals.goes_by_region(&sent)
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
        let due = self.arrivals.take_due(end);
        for events in due.chunks(AHEAD) {
            let copies = events.iter();
            let copies = || {
                copies
                    .clone()
                    .map(|(_, event)| (event.to, event.link, event.copy.ttl))
            };
            self.population.read_ahead(copies);
            for (at, event) in events {
                self.now = Instant::from_micros(*at);
                self.deliver(event, sent);
            }
        }
        self.arrivals.give_back(due);
    }

    fn deliver(&mut self, event: &Event, sent: &mut Sent) {
        let &Event { to, link, copy, .. } = event;
        let link = Link(link);
        let original = &self.travelling[usize::from(copy.origin)][copy.descriptor as usize];
        let header = Header {
            ttl: copy.ttl,
            hops: copy.hops,
            ..original.header
        };
        self.population.receive(
            (to, link),
            self.now,
            (header, original),
            self.wire.as_mut(),
            &mut self.rng,
        );
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
        if copies > 0 && !sent.by_region {
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
        let wanted = |slot| recipients.include(Link(slot));
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
}

/// The same with a payload of one's own.
fn own(descriptor: &Descriptor) -> Descriptor {
    Descriptor {
        header: descriptor.header,
        payload: descriptor.payload.to_vec().into(),
    }
}
