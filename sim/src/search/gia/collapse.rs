//! How many searches it bears: the rate at which fewer than nine of ten queries are answered in time.
//!
//! All servents ask at the same rate, but none more than it could process itself (memory of the
//! paper), at random times. First, one query at a time is made: what that costs and how long it takes
//! says how long others may take, and at which rate to begin. From there the rate goes up or down until
//! there is one that holds and one that does not, and between these it is halved by ratio.
//!
//! The paper collapses at the same share, but how long a query may take there is not known here.

use filbert::topology::Graph;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::adaptation::micros;
use super::net::{Net, keyword};
use super::outcome::Outcome;
use super::settings::{Spec, Variant};
use super::world::{SECOND, World};
use crate::random::{Purpose, generator};

/// Finds out how many searches the servents of a graph bear by the rules of a variant.
#[must_use]
pub fn conduct(spec: &Spec, variant: &Variant, graph: &Graph, seed: u64) -> Outcome {
    let net = Net::new(spec, variant, graph, seed);
    let trials = Trials {
        spec,
        variant,
        net: &net,
        seed,
    };
    let idle = trials.alone();
    let mut outcome = Outcome {
        variant: variant.name.clone(),
        servents: net.len() as u64,
        idle_hops: idle.hops(),
        idle_seconds: idle.seconds(),
        idle_success: idle.success(),
        links: mean_links(&net, 0),
        top_links: mean_links(&net, net.capacities().iter().copied().max().unwrap_or(0)),
        ..Outcome::default()
    };
    if idle.success() < ENOUGH {
        return outcome;
    }
    if let Some((rate, tally)) = trials.collapse(&idle) {
        outcome.collapse = Some(rate);
        outcome.hops = Some(tally.hops());
        outcome.success = Some(tally.success());
        outcome.utilisation = Some(tally.processed / (tally.seconds * total(&net)));
    }
    outcome
}

/// Rates tried on the same servents.
#[derive(Debug)]
struct Trials<'a> {
    spec: &'a Spec,
    variant: &'a Variant,
    net: &'a Net,
    seed: u64,
}

/// What became of some queries.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    asked: u64,
    answered: u64,
    hops: u64,
    /// Microseconds that they took together.
    waited: u64,
    /// Queries that were processed meanwhile, those that are not counted included.
    processed: f64,
    /// How long it took.
    seconds: f64,
}

impl Trials<'_> {
    /// One query after the other.
    fn alone(&self) -> Tally {
        let mut world = self.world();
        let mut asks = Asks::new(self.net, f64::INFINITY, self.seed);
        let mut tally = Tally::default();
        for _ in 0..self.spec.queries {
            let number = world.ask(asks.who(), asks.what());
            while world.query(number).under_way > 0 && world.step() {}
            tally.count(&world, number, u64::MAX);
        }
        tally.end(&world);
        tally
    }

    /// The highest rate that was found to hold, and what became of its queries.
    fn collapse(&self, idle: &Tally) -> Option<(f64, Tally)> {
        let patience = (self.spec.patience * idle.seconds()).max(self.spec.patience_seconds);
        let most = self.net.capacities().iter().copied().max().unwrap_or(0);
        // What that many ask a second takes a small part of all capacity. Rates that are too high take
        // longest to find out about, so that this one comes from below where it can.
        let each = (idle.processed / idle.asked as f64).max(1.0);
        let mut rate = SMALL * total(self.net) / (each * self.net.len() as f64);
        let mut holds = None;
        let mut fails = None;
        loop {
            match self.at(rate, patience) {
                Some(tally) => holds = Some((rate, tally)),
                None => fails = Some(rate),
            }
            rate = match (holds, fails) {
                // Nobody asks more than that.
                (Some((most_found, _)), None) if most_found > most.into() => break,
                (Some((low, _)), None) => low * STEP,
                (None, Some(high)) if high < LEAST => break,
                (None, Some(high)) => high / STEP,
                (Some((low, _)), Some(high)) if high / low < EXACTNESS => break,
                (Some((low, _)), Some(high)) => (low * high).sqrt(),
                (None, None) => unreachable!("the rate holds or it does not"),
            };
        }
        holds
    }

    /// What becomes of the queries at a rate; nothing where too few are answered in time. Some are
    /// asked before those that count, and some after them.
    fn at(&self, rate: f64, patience: f64) -> Option<Tally> {
        let mut world = self.world();
        let mut asks = Asks::new(self.net, rate, self.seed);
        let in_patience = asks.in_all * patience;
        let first = whole(in_patience);
        let counted = whole(WINDOW * in_patience).max(self.spec.queries as usize);
        let may_fail = counted as f64 * (1.0 - ENOUGH);
        let patience = micros(patience);
        let mut tally = Tally::default();
        let mut judged = first;
        let mut next = asks.wait();
        while judged < first + counted {
            world.advance(next);
            let number = world.ask(asks.who(), asks.what());
            next = world.now() + asks.wait();
            // Who has been answered, or has waited too long, is judged in the order of asking.
            while judged < (first + counted).min(number + 1) {
                let query = world.query(judged);
                if query.answer.is_none() && query.asked + patience > world.now() {
                    break;
                }
                tally.count(&world, judged, patience);
                judged += 1;
            }
            if (tally.asked - tally.answered) as f64 > may_fail {
                return None;
            }
        }
        tally.end(&world);
        Some(tally)
    }

    fn world(&self) -> World<'_> {
        let rng = generator(self.seed, Purpose::Walking);
        World::new(self.spec, self.variant, self.net, rng)
    }
}

impl Tally {
    /// Counts a query, as answered where it was in time.
    fn count(&mut self, world: &World<'_>, number: usize, patience: u64) {
        let query = world.query(number);
        self.asked += 1;
        if let Some((at, hops)) = query.answer
            && at - query.asked <= patience
        {
            self.answered += 1;
            self.hops += hops;
            self.waited += at - query.asked;
        }
    }

    /// Nothing more happens.
    fn end(&mut self, world: &World<'_>) {
        self.processed = world.processed() as f64;
        self.seconds = world.now() as f64 / SECOND as f64;
    }

    fn success(&self) -> f64 {
        self.answered as f64 / self.asked.max(1) as f64
    }

    fn hops(&self) -> f64 {
        self.hops as f64 / self.answered.max(1) as f64
    }

    fn seconds(&self) -> f64 {
        self.waited as f64 / SECOND as f64 / self.answered.max(1) as f64
    }
}

/// Who asks, when and for what.
#[derive(Debug)]
struct Asks {
    /// The rates of servents, each with those before it.
    sums: Vec<f64>,
    /// Queries a second of all servents.
    in_all: f64,
    rng: Pcg64Mcg,
}

impl Asks {
    fn new(net: &Net, rate: f64, seed: u64) -> Self {
        let mut in_all = 0.0;
        let sums = net.capacities().iter().map(|&capacity| {
            // With no rate at all everybody is as likely as anybody.
            in_all += if rate.is_finite() {
                rate.min(capacity.into())
            } else {
                1.0
            };
            in_all
        });
        Self {
            sums: sums.collect(),
            in_all,
            rng: generator(seed, Purpose::Asking),
        }
    }

    /// Microseconds until the next one asks.
    fn wait(&mut self) -> u64 {
        let below_one: f64 = self.rng.random();
        micros(-libm::log(1.0 - below_one) / self.in_all)
    }

    fn who(&mut self) -> u32 {
        let drawn = self.rng.random::<f64>() * self.in_all;
        let place = self.sums.partition_point(|&sum| sum <= drawn);
        u32::try_from(place.min(self.sums.len() - 1)).expect("nodes have 32-bit numbers")
    }

    fn what(&mut self) -> u32 {
        keyword(&mut self.rng)
    }
}

/// Queries a second that all servents can process together.
fn total(net: &Net) -> f64 {
    net.capacities().iter().map(|&of| f64::from(of)).sum()
}

/// Links of a servent of at least this capacity, in the mean.
fn mean_links(net: &Net, capacity: u32) -> f64 {
    let chosen = net.nodes().filter(|&node| net.capacity(node) >= capacity);
    let (servents, links) = chosen.fold((0, 0), |(servents, links), node| {
        (servents + 1, links + net.around(node).len())
    });
    links as f64 / f64::from(servents.max(1))
}

/// A number of queries.
fn whole(queries: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count that is bounded by rate and patience; beyond it saturates"
    )]
    let queries = queries.ceil() as usize;
    queries
}

/// The share of queries that are to be answered (memory of the paper).
const ENOUGH: f64 = 0.9;

/// The part of all capacity with which to begin.
const SMALL: f64 = 1.0 / 64.0;

/// By how much the rate goes up or down until there is one that holds and one that does not.
const STEP: f64 = 4.0;

/// How far apart these two may be in the end.
const EXACTNESS: f64 = 1.2;

/// Queries a second below which it is given up.
const LEAST: f64 = 1e-9;

/// For how long queries count, in times of what one may take.
const WINDOW: f64 = 3.0;
