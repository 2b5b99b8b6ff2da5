//! Queues, walkers and floods in virtual time.
//!
//! A servent processes one query after the other, in the order in which they came, each for as long as
//! its capacity says; so do duplicates of a flood. Only that takes time: links do not, and an answer is
//! with who asked as soon as there is one. What comes meanwhile waits, and however long a queue is,
//! nothing is lost (the paper says as much of its own). What servents ask themselves costs them
//! nothing.

use std::collections::VecDeque;

use rand_pcg::Pcg64Mcg;

use super::net::Net;
use super::query::Query;
use super::settings::{Mechanism, Search, Spec, Variant};
use super::tokens::Tokens;
use crate::calendar::Calendar;

/// Servents and their queues.
#[derive(Debug)]
pub(super) struct World<'a> {
    net: &'a Net,
    search: Search,
    bias: bool,
    ttl: u32,
    steps: u32,
    tokens: Option<Tokens>,
    servents: Vec<Servent>,
    queries: Vec<Query>,
    rng: Pcg64Mcg,
    /// Who will have processed a query, and when.
    calendar: Calendar<u32>,
    /// Virtual microseconds.
    now: u64,
    /// Queries that were processed, by whomever.
    processed: u64,
}

/// What waits at a servent.
#[derive(Clone, Debug, Default)]
struct Servent {
    /// What it has not processed yet.
    inbox: VecDeque<Copy>,
    /// Queries that wait for a token, of whomever.
    outbox: VecDeque<usize>,
}

/// A copy of a query.
#[derive(Clone, Copy, Debug)]
struct Copy {
    query: usize,
    /// The place of the neighbour that sent it.
    from: u32,
    /// Links that it went over.
    hops: u32,
}

impl<'a> World<'a> {
    /// Servents that have nothing to do.
    pub(super) fn new(spec: &Spec, variant: &Variant, net: &'a Net, rng: Pcg64Mcg) -> Self {
        let each = u8::try_from(spec.tokens).unwrap_or(u8::MAX);
        let tokens = variant.has(Mechanism::Tokens);
        Self {
            net,
            search: variant.search,
            bias: variant.has(Mechanism::Bias),
            ttl: spec.ttl.into(),
            steps: spec.steps,
            tokens: tokens.then(|| Tokens::new(net, each)),
            servents: vec![Servent::default(); net.len()],
            queries: Vec::new(),
            rng,
            calendar: Calendar::new(HORIZON),
            now: 0,
            processed: 0,
        }
    }

    /// Virtual microseconds since the beginning.
    pub(super) const fn now(&self) -> u64 {
        self.now
    }

    /// Queries that were processed until now.
    pub(super) const fn processed(&self) -> u64 {
        self.processed
    }

    /// A query by its number.
    pub(super) fn query(&self, number: usize) -> &Query {
        &self.queries[number]
    }

    /// How many queries wait at a servent to be processed.
    #[cfg(test)]
    pub(super) fn waiting(&self, node: u32) -> usize {
        self.servents[node as usize].inbox.len()
    }

    /// A servent asks. Gives the number of its query: they are numbered from 0.
    pub(super) fn ask(&mut self, node: u32, keyword: u32) -> usize {
        let number = self.queries.len();
        self.queries.push(Query::new(self.now, keyword));
        if self.net.answers(node, keyword) {
            self.queries[number].answer = Some((self.now, 0));
            return number;
        }
        match self.search {
            Search::Walk => {
                self.queries[number].under_way = 1;
                self.walk_on(node, number);
            }
            Search::Flood => {
                self.queries[number].reaches(node);
                self.spread(node, number, None, 1);
            }
        }
        number
    }

    /// Lets all happen that happens until some time.
    pub(super) fn advance(&mut self, until: u64) {
        while self.calendar.next_at().is_some_and(|at| at <= until) {
            self.step();
        }
        self.now = self.now.max(until);
    }

    /// Lets the next thing happen. Says whether there was one.
    pub(super) fn step(&mut self) -> bool {
        let Some((at, node)) = self.calendar.pop() else {
            return false;
        };
        self.now = at;
        let inbox = &mut self.servents[node as usize].inbox;
        let copy = inbox
            .pop_front()
            .expect("a busy servent has something to do");
        if !inbox.is_empty() {
            self.begin(node);
        }
        self.processed += 1;
        self.queries[copy.query].processed += 1;
        match self.search {
            Search::Walk => self.meet(node, copy),
            Search::Flood => self.hear(node, copy),
        }
        self.give_token(node);
        true
    }

    /// A servent has processed a walker.
    fn meet(&mut self, node: u32, copy: Copy) {
        let query = &mut self.queries[copy.query];
        let hops = query.processed;
        if self.net.answers(node, query.keyword) {
            query.answer = Some((self.now, hops));
        }
        if query.answer.is_some() || hops >= self.steps.into() {
            query.under_way = 0;
            query.forget();
            return;
        }
        *query.marked(node) |= 1 << copy.from;
        self.walk_on(node, copy.query);
    }

    /// A walker goes on, or waits for a token.
    fn walk_on(&mut self, node: u32, number: usize) {
        let all = self.net.places(node);
        if all == 0 {
            // There is nobody to go to.
            self.queries[number].under_way = 0;
            return;
        }
        let usable = self.tokens.as_ref().map_or(all, |held| held.usable(node));
        let fresh = usable & !*self.queries[number].marked(node);
        // Whom it was not sent to yet, or else, as if nothing were remembered, anybody.
        let places = if fresh == 0 { usable } else { fresh };
        match self.net.choose(node, places, self.bias, &mut self.rng) {
            Some(place) => self.send(node, place, number),
            None => self.servents[node as usize].outbox.push_back(number),
        }
    }

    /// A walker goes to the neighbour at a place.
    fn send(&mut self, node: u32, place: u32, number: usize) {
        let marked = self.queries[number].marked(node);
        // Who sends it somewhere again has nobody left for it, and begins anew.
        let again = *marked >> place & 1 == 1;
        *marked = if again { 0 } else { *marked } | 1 << place;
        if let Some(tokens) = &mut self.tokens {
            tokens.spend(self.net, node, place);
        }
        self.deliver(node, place, number, 0);
    }

    /// A servent that has processed a query gives a neighbour a token. The first query that waits
    /// there takes it.
    fn give_token(&mut self, giver: u32) {
        let Some(tokens) = &mut self.tokens else {
            return;
        };
        let Some(place) = tokens.grant(self.net, giver) else {
            return;
        };
        let end = self.net.end(giver, place);
        let taker = self.net.neighbour(end);
        let back = self.net.place(taker, self.net.mirror(end));
        if let Some(number) = self.servents[taker as usize].outbox.pop_front() {
            self.send(taker, back, number);
        }
    }

    /// A servent has processed a copy of a flood.
    fn hear(&mut self, node: u32, copy: Copy) {
        let query = &mut self.queries[copy.query];
        query.under_way -= 1;
        if query.reaches(node) {
            if query.answer.is_none() && self.net.answers(node, query.keyword) {
                query.answer = Some((self.now, copy.hops.into()));
            }
            if copy.hops < self.ttl {
                self.spread(node, copy.query, Some(copy.from), copy.hops + 1);
            }
        }
        let query = &mut self.queries[copy.query];
        if query.under_way == 0 {
            query.forget();
        }
    }

    /// A flood goes to all neighbours but the one at a place.
    fn spread(&mut self, node: u32, number: usize, but: Option<u32>, hops: u32) {
        for place in (0..self.net.places(node).count_ones()).filter(|&place| Some(place) != but) {
            self.queries[number].under_way += 1;
            self.deliver(node, place, number, hops);
        }
    }

    fn deliver(&mut self, node: u32, place: u32, query: usize, hops: u32) {
        let end = self.net.end(node, place);
        let to = self.net.neighbour(end);
        let from = self.net.place(to, self.net.mirror(end));
        let inbox = &mut self.servents[to as usize].inbox;
        inbox.push_back(Copy { query, from, hops });
        if inbox.len() == 1 {
            self.begin(to);
        }
    }

    /// A servent begins to process a query.
    fn begin(&mut self, node: u32) {
        let takes = SECOND / u64::from(self.net.capacity(node));
        self.calendar.push(self.now + takes.max(1), node);
    }
}

/// Microseconds in a second.
pub(super) const SECOND: u64 = 1_000_000;

/// So many microseconds ahead are most events: those of whom most queries go to.
const HORIZON: u64 = 100_000;

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn world<'a>(net: &'a Net, variant: &str) -> World<'a> {
        let text = format!("replication = 0.1\nvariant = [{{ name = \"a\", {variant} }}]");
        let spec: Spec = toml::from_str(&text).unwrap();
        spec.check().unwrap();
        World::new(&spec, &spec.variants[0], net, Pcg64Mcg::seed_from_u64(1))
    }

    /// A line of servents of capacity 10; the last one holds keyword 0.
    fn line(length: u32) -> Net {
        let ends = |node: u32| [node.checked_sub(1), Some(node + 1)].into_iter().flatten();
        let around = |node| ends(node).filter(|&near| near < length).collect();
        let mut net = Net::of(vec![10; length as usize], (0..length).map(around).collect());
        net.hold(&[vec![length - 1]]);
        net
    }

    #[test]
    fn tokens_bound_what_waits_at_a_servent() {
        // Ten that can do much around one that can do little.
        let mut links = vec![vec![0]; 11];
        links[0] = (1..11).collect();
        let mut capacities = vec![1_000; 11];
        capacities[0] = 1;
        let net = Net::of(capacities, links);
        let most = |variant| {
            let mut world = world(&net, variant);
            let mut most = 0;
            for round in 0..500 {
                world.ask(1 + round % 10, 0);
                world.advance(u64::from(round) * 10_000);
                most = most.max(world.waiting(0));
            }
            (most, world.processed())
        };
        let (with, processed) = most("mechanisms = [\"tokens\"]");
        assert_eq!(with, 10);
        let (without, _) = most("");
        assert!(without > 400, "{without}");
        // Five seconds: it and whom it sent to processed no more than it could.
        assert!(processed <= 2 * 5 + 10, "{processed}");
    }

    #[test]
    fn servents_answer_for_their_neighbours_where_they_replicate() {
        let mut net = line(5);
        let hops = |net: &Net| {
            let mut world = world(net, "");
            let number = world.ask(0, 0);
            while world.step() {}
            world.query(number).answer
        };
        assert_eq!(hops(&net), Some((400_000, 4)));
        net.replicate();
        assert_eq!(hops(&net), Some((300_000, 3)));
    }

    #[test]
    fn a_biased_walker_climbs() {
        // From 0 up to 3 there is always a lower neighbour, too.
        let links = vec![
            vec![1, 4],
            vec![0, 2, 5],
            vec![1, 3, 6],
            vec![2],
            vec![0],
            vec![1],
            vec![2],
        ];
        let mut net = Net::of(vec![1, 10, 100, 1_000, 1, 1, 1], links);
        net.hold(&[vec![3]]);
        for mechanisms in ["\"bias\"", "\"bias\", \"tokens\""] {
            let mut world = world(&net, &format!("mechanisms = [{mechanisms}]"));
            let number = world.ask(0, 0);
            while world.step() {}
            let took = SECOND / 10 + SECOND / 100 + SECOND / 1_000;
            assert_eq!(world.query(number).answer, Some((took, 3)));
        }
    }

    #[test]
    fn a_flood_costs_each_servent_all_its_copies_and_ends_with_its_ttl() {
        // All four know each other: three copies from who asks, and two from each of those.
        let around = |node| (0..4).filter(|&near| near != node).collect();
        let net = Net::of(vec![10; 4], (0..4).map(around).collect());
        let mut first = world(&net, "search = \"flood\"");
        first.ask(0, 0);
        while first.step() {}
        assert_eq!(first.processed(), 9);
        // The default TTL ends before the end of a longer line.
        for (length, answer) in [(11, Some((1_000_000, 10))), (12, None)] {
            let net = line(length);
            let mut world = world(&net, "search = \"flood\"");
            let number = world.ask(0, 0);
            while world.step() {}
            assert_eq!(world.query(number).answer, answer);
        }
    }

    #[test]
    fn a_servent_does_one_thing_after_the_other() {
        let net = line(2);
        let mut world = world(&net, "");
        for _ in 0..5 {
            world.ask(0, 0);
        }
        world.advance(SECOND);
        let at = |number| world.query(number).answer.map(|(at, _)| at);
        assert_eq!(at(0), Some(100_000));
        assert_eq!(at(4), Some(500_000));
    }
}
