//! What stays as it is while searches are made.

use filbert::topology::Graph;
use rand::RngExt;
use rand::seq::index;
use rand_pcg::Pcg64Mcg;

use super::adaptation::Adaptation;
use super::capacities;
use super::query::{Places, any_of, first};
use super::settings::{MOST_NEIGHBOURS, Mechanism, Spec, Variant};
use crate::random::{Purpose, generator};

/// Servents, their links and what they hold.
#[derive(Debug)]
pub(super) struct Net {
    /// Queries a second that each can process.
    capacities: Vec<u32>,
    /// Where the ends of each servent's links begin, and one more.
    starts: Vec<usize>,
    /// The other servent of each end, those of a servent by falling capacity.
    neighbours: Vec<u32>,
    /// The other end of each.
    mirrors: Vec<usize>,
    /// For each end, the first place of its servent whose neighbour has less capacity.
    equals_until: Vec<u32>,
    /// The keywords that each answers to, one bit for each.
    answers: Vec<u64>,
}

impl Net {
    /// The servents of a graph, by the rules of a variant.
    pub(super) fn new(spec: &Spec, variant: &Variant, graph: &Graph, seed: u64) -> Self {
        let rng = &mut generator(seed, Purpose::Capacities);
        let capacities = capacities::draw(&spec.capacities, graph.nodes(), rng);
        let links = if variant.has(Mechanism::Adaptation) {
            let rng = &mut generator(seed, Purpose::Adapting);
            Adaptation::new(spec, &capacities).settle(rng)
        } else {
            kept(graph)
        };
        let mut net = Self::of(capacities, links);
        let rng = &mut generator(seed, Purpose::Contents);
        net.hold(&holders(spec, graph.nodes(), rng));
        if variant.has(Mechanism::Replication) {
            net.replicate();
        }
        net
    }

    /// Servents with these capacities and neighbours, who hold nothing.
    pub(super) fn of(capacities: Vec<u32>, mut links: Vec<Vec<u32>>) -> Self {
        for around in &mut links {
            around.sort_by_key(|&near| (u32::MAX - capacities[near as usize], near));
        }
        let mut starts = vec![0];
        for around in &links {
            starts.push(starts[starts.len() - 1] + around.len());
        }
        let mut mirrors = Vec::new();
        let mut equals_until = Vec::new();
        for (node, around) in (0_u32..).zip(&links) {
            for &near in around {
                let there = &links[near as usize];
                let place = there.iter().position(|&back| back == node);
                mirrors.push(starts[near as usize] + place.expect("a link has two ends"));
                let as_much =
                    |&&other: &&u32| capacities[other as usize] >= capacities[near as usize];
                equals_until.push(count(around.iter().filter(as_much).count()));
            }
        }
        Self {
            answers: vec![0; capacities.len()],
            neighbours: links.concat(),
            capacities,
            starts,
            mirrors,
            equals_until,
        }
    }

    /// Gives each keyword, of 64 at most, to its holders.
    pub(super) fn hold(&mut self, holders: &[Vec<u32>]) {
        for (keyword, holders) in holders.iter().enumerate() {
            for &holder in holders {
                self.answers[holder as usize] |= 1 << keyword;
            }
        }
    }

    /// Everybody answers for its neighbours, too.
    pub(super) fn replicate(&mut self) {
        let held = self.answers.clone();
        for node in self.nodes() {
            let around = self.around(node).iter();
            let of_all = around.map(|&near| held[near as usize]);
            self.answers[node as usize] = of_all.fold(held[node as usize], |all, of| all | of);
        }
    }

    /// How many servents there are.
    pub(super) const fn len(&self) -> usize {
        self.capacities.len()
    }

    /// All servents.
    pub(super) fn nodes(&self) -> impl Iterator<Item = u32> + use<> {
        (0_u32..).take(self.len())
    }

    /// Queries a second that a servent can process.
    pub(super) fn capacity(&self, node: u32) -> u32 {
        self.capacities[node as usize]
    }

    /// Queries a second that each can process.
    pub(super) fn capacities(&self) -> &[u32] {
        &self.capacities
    }

    /// Whether a servent answers to a keyword.
    pub(super) fn answers(&self, node: u32, keyword: u32) -> bool {
        self.answers[node as usize] >> keyword & 1 == 1
    }

    /// The neighbours of a servent.
    pub(super) fn around(&self, node: u32) -> &[u32] {
        &self.neighbours[self.starts[node as usize]..self.starts[node as usize + 1]]
    }

    /// All places of a servent's neighbours.
    pub(super) fn places(&self, node: u32) -> Places {
        first(count(self.around(node).len()))
    }

    /// How many ends of links there are.
    pub(super) const fn ends(&self) -> usize {
        self.neighbours.len()
    }

    /// The end of the link to a servent's neighbour at a place.
    pub(super) fn end(&self, node: u32, place: u32) -> usize {
        self.starts[node as usize] + place as usize
    }

    /// The place of the neighbour to whom this end leads.
    pub(super) fn place(&self, node: u32, end: usize) -> u32 {
        count(end - self.starts[node as usize])
    }

    /// To whom an end leads.
    pub(super) fn neighbour(&self, end: usize) -> u32 {
        self.neighbours[end]
    }

    /// The other end of a link.
    pub(super) fn mirror(&self, end: usize) -> usize {
        self.mirrors[end]
    }

    /// One of the places of a servent: with bias one of those of highest capacity, else any.
    pub(super) fn choose(
        &self,
        node: u32,
        places: Places,
        bias: bool,
        rng: &mut Pcg64Mcg,
    ) -> Option<u32> {
        if !bias || places == 0 {
            return any_of(places, rng);
        }
        let best = self.end(node, places.trailing_zeros());
        any_of(places & first(self.equals_until[best]), rng)
    }
}

/// The neighbours that a graph says; no servent takes more than it can mark.
fn kept(graph: &Graph) -> Vec<Vec<u32>> {
    let mut links: Vec<Vec<u32>> = vec![Vec::new(); graph.nodes()];
    for node in graph.iter() {
        for &near in graph.neighbours(node).iter().filter(|&&near| near > node) {
            let full = |node: u32| links[node as usize].len() >= MOST_NEIGHBOURS as usize;
            if !full(node) && !full(near) {
                links[node as usize].push(near);
                links[near as usize].push(node);
            }
        }
    }
    links
}

/// Who holds what each keyword is for.
fn holders(spec: &Spec, servents: usize, rng: &mut Pcg64Mcg) -> Vec<Vec<u32>> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a checked share of a count"
    )]
    let copies = (spec.replication * servents as f64).round() as usize;
    let copies = copies.clamp(1, servents);
    let draw = |_| {
        let chosen = index::sample(rng, servents, copies);
        chosen.into_iter().map(count).collect()
    };
    (0..KEYWORDS).map(draw).collect()
}

/// A keyword that somebody asks for.
pub(super) fn keyword(rng: &mut Pcg64Mcg) -> u32 {
    rng.random_range(0..KEYWORDS)
}

/// Things that are searched for, all as frequent.
const KEYWORDS: u32 = 64;

/// A number of servents or links.
fn count(number: usize) -> u32 {
    u32::try_from(number).expect("nodes have 32-bit numbers")
}
