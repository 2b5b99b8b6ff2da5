//! A devnet and the simulator agree: the same topology, files and query, once over sockets and once
//! in virtual time. Where the order of arrivals decides nothing the counts are equal; elsewhere
//! those of the devnet lie within what twenty draws of the latencies give.

mod common;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{PATIENCE, until, write};
use filbert::devnet::{Devnet, Plan};
use filbert::node::{Node, Profile};
use filbert::overlay::stats::Drop;
use filbert::runtime::{block_on, timeout};
use filbert::wire::Kind;
use filbert::wire::query::Query;
use filbert_sim::contents::{Contents, Placement};
use filbert_sim::latency::Latency;
use filbert_sim::network::{Behaviour, Network, Search};
use filbert_sim::random::{Purpose, generator};
use futures::StreamExt;

/// What came of one query.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    /// Who answered, by number.
    holders: BTreeSet<usize>,
    /// Copies of the query that were sent.
    messages: u64,
    /// Servents that got it.
    reached: u64,
}

/// One devnet at a time: each has many files open.
static ONE: Mutex<()> = Mutex::new(());

/// One devnet and how to simulate it.
struct Both {
    _only: MutexGuard<'static, ()>,
    devnet: Devnet,
    files: Vec<(String, usize)>,
    source: usize,
}

impl Both {
    fn start(topology: &str, profile: Profile, files: usize) -> Self {
        let only = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let songs = common::directory();
        for number in 0..files {
            let name = format!("song n{number}x of the orchard.ogg");
            write(songs.path(), &name, name.repeat(number + 1).as_bytes());
        }
        let plan = Plan {
            topology: Some(topology.parse().unwrap()),
            shares: vec![songs.path().to_owned()],
            profile: Some(profile),
            seed: 1,
            ..Plan::default()
        };
        let devnet = block_on(Devnet::start(plan)).unwrap();
        let files: Vec<_> = devnet
            .files()
            .map(|(name, holder)| (name.to_owned(), holder))
            .collect();
        let entry = devnet.entry().guid();
        let source = devnet.nodes().iter().position(|node| node.guid() == entry);
        let both = Self {
            _only: only,
            source: source.unwrap(),
            files,
            devnet,
        };
        both.settle();
        both
    }

    /// Waits until every servent took the tables of all its neighbours: each tells one.
    fn settle(&self) {
        let all = 2 * self.devnet.graph().edges() as u64;
        let taken = |node: &Node| node.counters().stats.tables;
        let nodes = self.devnet.nodes();
        until("all tables are told", || {
            nodes.iter().map(taken).sum::<u64>() >= all
        });
    }

    /// Makes the search over sockets.
    fn live(&self) -> Outcome {
        let nodes = self.devnet.nodes();
        let before = Totals::of(nodes);
        let expected = self.devnet.holders().len();
        let mut holders = BTreeSet::new();
        block_on(async {
            let mut search = nodes[self.source].search(self.devnet.words()).unwrap();
            let listening = async {
                while holders.len() < expected {
                    let Some(hit) = search.next().await else {
                        break;
                    };
                    let from = hit.source.servent;
                    let place = nodes.iter().position(|node| node.guid() == from);
                    holders.insert(place.unwrap());
                }
            };
            let _late = timeout(PATIENCE, listening).await;
            search.cancel();
        });
        until("all copies arrived", || {
            let now = Totals::of(nodes);
            now.sent == now.received
        });
        let after = Totals::of(nodes);
        Outcome {
            holders,
            messages: after.sent - before.sent,
            reached: after.taken() - before.taken(),
        }
    }

    /// Makes the search in virtual time.
    fn simulated(&self, profile: Profile, latency: &Latency, seed: u64) -> Outcome {
        let all = |_: usize| true;
        let (messages, reached, _) = self.simulate(profile, latency, seed, all);
        let matching: BTreeSet<usize> = self.devnet.holders().into_iter().collect();
        // Who of them answers is seen by leaving out the others.
        let answers = |holder: &usize| {
            let others = |other: usize| other == *holder || !matching.contains(&other);
            self.simulate(profile, latency, seed, others).2 > 0
        };
        Outcome {
            holders: matching.iter().copied().filter(answers).collect(),
            messages,
            reached,
        }
    }

    fn simulate(
        &self,
        profile: Profile,
        latency: &Latency,
        seed: u64,
        shares: impl Fn(usize) -> bool,
    ) -> (u64, u64, u64) {
        let graph = self.devnet.graph();
        let contents = self.contents(shares);
        let behaviour = Behaviour {
            profile,
            latency: latency.clone(),
            wire: true,
            query_routing: true,
        };
        let rng = &mut generator(seed, Purpose::Servents);
        let mut network = Network::new(graph, Some(&contents), behaviour, rng);
        network.settle(&mut generator(seed, Purpose::Settling));
        let query = Query::keywords(self.devnet.words()).unwrap();
        let search = Search {
            source: u32::try_from(self.source).unwrap(),
            query: &query,
            ttl: profile.max_ttl,
            dynamic: None,
            wanted: 1,
        };
        let purpose = Purpose::Search { number: 0 };
        let outcome = network.search(&search, &mut generator(seed, purpose));
        assert_eq!(network.closed(), None);
        let sum = |pair: [u64; 2]| pair.into_iter().sum();
        (sum(outcome.copies), sum(outcome.reached), outcome.results)
    }

    fn contents(&self, shares: impl Fn(usize) -> bool) -> Contents {
        let mut placement = Placement::default();
        for (name, holder) in &self.files {
            if shares(*holder) {
                let file = placement.file(name);
                placement.give(file, u32::try_from(*holder).unwrap());
            }
        }
        placement.settle(self.devnet.graph().nodes())
    }
}

/// Counters of all servents together.
struct Totals {
    sent: u64,
    received: u64,
    known: u64,
}

impl Totals {
    fn of(nodes: &[Node]) -> Self {
        let mut totals = Self {
            sent: 0,
            received: 0,
            known: 0,
        };
        for counters in nodes.iter().map(Node::counters) {
            totals.sent += counters.queries_sent;
            totals.received += counters.stats.received_of(Kind::Query);
            totals.known += counters.stats.dropped(Drop::Duplicate);
            totals.known += counters.stats.dropped(Drop::OwnQuery);
        }
        totals
    }

    const fn taken(&self) -> u64 {
        self.received - self.known
    }
}

#[test]
fn where_the_order_decides_nothing_the_counts_are_equal() {
    // A tree; a ring with chords of which the farthest servent is nearer than a query goes.
    for topology in ["tree:degree=3,depth=3", "ws:n=24,k=6,p=0.3"] {
        let both = Both::start(topology, Profile::CLASSIC, 40);
        let live = both.live();
        let unit = both.simulated(Profile::CLASSIC, &Latency::Unit, 1);
        block_on(both.devnet.stop());
        assert_eq!(live, unit, "{topology}");
        assert_eq!(live.holders.len(), 1, "{topology}");
        let others = both.devnet.graph().nodes() as u64 - 1;
        assert_eq!(live.reached, others, "{topology}");
    }
}

#[test]
fn elsewhere_they_lie_within_the_spread_of_twenty_latencies() {
    // On a grid a copy that is fast by a detour takes reach from the copies behind it.
    let topology = "grid:w=9,h=9";
    let both = Both::start(topology, Profile::CLASSIC, 81);
    // A machine with much to do may hold up one search; the middle one of five stands for all.
    let live: Vec<Outcome> = (0..5).map(|_| both.live()).collect();
    // A loopback's times are nearly equal where the machine is idle, and anything where it is not.
    let latencies = ["0.25", "0.75", "1.5", "3"].map(|sigma| {
        let latency: Latency = format!("lognormal:10,{sigma}").parse().unwrap();
        latency
    });
    let drawn: Vec<Outcome> = (0..20)
        .zip(latencies.iter().cycle())
        .map(|(seed, latency)| both.simulated(Profile::CLASSIC, latency, seed))
        .collect();
    block_on(both.devnet.stop());
    let sorted = |outcomes: &[Outcome], pick: fn(&Outcome) -> u64| {
        let mut counts: Vec<u64> = outcomes.iter().map(pick).collect();
        counts.sort_unstable();
        counts
    };
    let messages: fn(&Outcome) -> u64 = |one| one.messages;
    for (name, pick) in [("messages", messages), ("reached", |one| one.reached)] {
        let (live, drawn) = (sorted(&live, pick), sorted(&drawn, pick));
        let (least, most) = (drawn[0], drawn[19]);
        assert!(least < most, "{name}: the latencies decide nothing");
        assert!(
            (least..=most).contains(&live[2]),
            "{name}: {live:?} live, {drawn:?} simulated",
        );
    }
}
